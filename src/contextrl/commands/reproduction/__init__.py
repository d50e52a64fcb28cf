"""`contextrl reproduce`: the paper's studies in the miniature, each a module of `studies`."""
