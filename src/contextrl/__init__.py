"""ContextRL (arXiv 2602.22623): RL post-training of vision-language models with context-augmented judging.

Importing this package is light: torch and TRL are imported only by the modules that train.
"""

__version__ = "0.1.0"
