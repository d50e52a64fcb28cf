"""Advantages and losses as pure functions on tensors.

Dimension legend, used in every docstring of this package: B sequences, G generations per prompt, N prompts
(B = N * G), P prompt tokens, C completion tokens, V vocabulary.

`advantages` is GRPO's, `token_loss` the one path for ratio, clip and KL; `grpo` and `dapo` differ only in how they
average tokens (and in DAPO's overlong penalty); `contextrl` holds the three devices of the paper.
"""
