"""Two-stage sampling: groups, recovery of all-negative groups, standalone filter, rollback into mixed groups.

Read `two_stage` first: it is the method; `collect` runs it on data rows. Nothing here imports the trainer.
"""
