"""Our scorers within other harnesses."""
