"""Annotating in napari: strokes that are on the disk when the mouse is released."""
