"""`ContextRLTrainer`, a subclass of TRL's GRPOTrainer, its configuration, and what surrounds a run."""
