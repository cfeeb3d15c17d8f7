"""Retrain: what is known of a parent model, and whether a round that goes on from it is better."""
