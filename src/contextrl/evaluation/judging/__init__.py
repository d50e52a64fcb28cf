"""Judging files of responses, and measuring judges on labelled ones."""
