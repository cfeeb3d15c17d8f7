"""Models: those that are known, and what each is."""
