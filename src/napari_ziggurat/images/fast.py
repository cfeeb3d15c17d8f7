"""Fast: local zarr arrays through tensorstore, where it is installed."""

import importlib.util
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.images.image import Readable

if TYPE_CHECKING:
    import zarr

__all__ = ["open_fast"]

logger = logging.getLogger(__name__)

_CACHE = 2**24  # bytes of decoded chunks that all images together may keep


@dataclass(frozen=True, eq=False)
class _TensorStoreArray:
    """An array of tensorstore behind the protocol of readable arrays."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.array.dtype.numpy_dtype)
        return dtype

    def __getitem__(self, key: tuple[slice, ...], /) -> NDArray[Any]:
        return np.asarray(self.array[key].read().result())


def open_fast(array: "zarr.Array[Any]", folder: Path) -> Readable | None:
    """Open an array of a local store with tensorstore, for reading.

    None where tensorstore is not installed or does not know what the array is encoded with; the
    voxels that zarr-python reads are the same.
    """
    if importlib.util.find_spec("tensorstore") is None:
        return None
    import tensorstore

    driver = "zarr3" if array.metadata.zarr_format == 3 else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{folder}/"}}
    try:
        found = tensorstore.open(spec, read=True, open=True, context=_context()).result()
    except Exception as error:
        logger.debug("zarr-python reads %s: %s", folder, error)
        return None
    opened = _TensorStoreArray(found)
    same = (opened.shape, opened.dtype) == (array.shape, array.dtype.newbyteorder("="))
    return opened if same else None


@cache
def _context() -> Any:
    import tensorstore

    return tensorstore.Context({"cache_pool": {"total_bytes_limit": _CACHE}})
