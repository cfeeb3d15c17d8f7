"""What a segmentation will do and cost, decided before it starts."""
