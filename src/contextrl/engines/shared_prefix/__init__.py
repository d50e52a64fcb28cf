"""Encode the prompt that the samples of a group share once: exact scoring and sampling (`scoring`, `generation`)."""
