"""How good a judge is: identifiability of false positives on labelled responses (arXiv 2602.22623, judge study)."""
