"""One batch: image and labels -> better parameters."""
