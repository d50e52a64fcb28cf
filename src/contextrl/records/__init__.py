"""What runs and data are made of: examples, verdicts, groups, evaluations, and the files that hold them; no torch."""
