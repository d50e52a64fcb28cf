"""Where questions come from: one small file a source, `rows` for sets of one's own, all of them in `registry`."""
