"""The dock in napari and the other entries of the manifest. Thin: it knows nothing of segmentation.

Nothing here imports torch or monai when it is imported, nor zarr or the runs: opening the dock is
quick, and what takes time happens in threads and child processes.
"""
