"""Evaluation: one comparison of a prediction with the truth -> numbers."""
