"""Objects in napari: made of labels, listed in a table, linked with what is seen."""
