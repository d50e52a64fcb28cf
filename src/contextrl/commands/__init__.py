"""Commands, their configuration, and the only place that puts the packages together."""
