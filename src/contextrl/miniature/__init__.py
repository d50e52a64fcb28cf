"""The built-in miniature: real handwritten digits, a tiny Qwen3-VL and a step judge, trainable on two CPU cores.

`digits` holds the images and their split, `tasks` the questions and their reference solutions, `steps_judge` the
process verifier, `policy` the model and its processor, `base` the base policy with blind spots.
"""
