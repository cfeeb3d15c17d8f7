"""One block: image -> probabilities -> labels."""
