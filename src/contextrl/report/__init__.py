"""A run as one page: curves, what stage 2 recovered, what the judge said, and every rollout to look at."""
