"""Sampling by vLLM, colocated or as a server: of the prompts that are scored, with the weights of the moment."""
