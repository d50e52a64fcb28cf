"""Greedy evaluation with intervals that know that images repeat."""
