"""Intervals, tests and agreement: pure functions, each in one place; all intervals are at 95 %.

`bootstrap` resamples clusters (images, questions), `proportions` has rates with Wilson's interval, `kappa` the
agreement of two raters beyond chance, `seeds` what the repetitions of a method say.
"""
