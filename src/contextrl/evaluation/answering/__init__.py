"""Answers of a model to a benchmark's questions: asked, sampled, kept as they come."""
