"""Training in napari: it goes on while strokes are painted, and shows what it has learned."""
