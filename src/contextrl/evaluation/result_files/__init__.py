"""Answers that were made elsewhere, and ours for others: lmms-eval's, VLMEvalKit's and plain files of answers."""
