"""Annotations that cannot be lost: sparse labels on the disk, for window and command line."""

from napari_ziggurat.images.annotation_store.census import Census
from napari_ziggurat.images.annotation_store.history import Kind, Record
from napari_ziggurat.images.annotation_store.place import default_place
from napari_ziggurat.images.annotation_store.sparse import SparseLabels
from napari_ziggurat.images.annotation_store.store import AnnotationStore
from napari_ziggurat.images.annotation_store.transfer import import_labels

__all__ = [
    "AnnotationStore",
    "Census",
    "Kind",
    "Record",
    "SparseLabels",
    "default_place",
    "import_labels",
]
