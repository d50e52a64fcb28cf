"""The 11 benchmarks of arXiv 2602.22623, table 1: a small file each, pure prompts and scorers; no torch, no network."""
