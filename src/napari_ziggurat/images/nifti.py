"""NIfTI: spacing and affine from the header, boxes through nibabel's array proxy."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.openers import ImageOpener
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.stored import Stored
from napari_ziggurat.images.units import convert_length

__all__ = ["MOST_ALONG_AXIS", "read_nifti", "read_nifti_record", "write_nifti"]

logger = logging.getLogger(__name__)

# Axes by the standard: three of space, time, then anything (channels here).
_AXES = "xyztc"
_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
# The header stores lengths as 16-bit integers.
MOST_ALONG_AXIS = 32767
# Marks the header extension (a comment by the standard) that holds the record of a run.
_MARK = "napari-ziggurat "


def read_nifti(path: Path) -> Stored:
    """Read the header of a NIfTI file.

    The letters name the stored axes: x is the first, whatever its direction in the body; the
    affine is kept for writing. A fourth axis is time, as the standard says; where it holds channels
    say ``--axes xyzc``.
    """
    image: Any = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise InputError(f"{path} is no NIfTI image but {type(image).__name__}; convert it.")
    voxels = _NiftiArray(path, image.dataobj)
    _check_size(path, image.dataobj)
    axes = _axes_of(voxels.shape, path)
    scales, unit = _spacing_of(_header_as_stored(image), path)
    return Stored(
        "NIfTI",
        (voxels,),
        axes,
        scales=None if scales is None else (scales,),
        unit=unit,
        affine=np.asarray(image.affine, np.float64),
    )


def _axes_of(shape: tuple[int, ...], path: Path) -> str:
    if not 2 <= len(shape) <= len(_AXES):
        raise InputError(f"{path} has {len(shape)} axes (shape {shape}); 2 to 5 can be read.")
    # Axes of length 1 behind the spatial ones are only there to fill the header: "?" drops them.
    return "".join(a if i < 3 or n > 1 else "?" for i, (a, n) in enumerate(zip(_AXES, shape)))  # noqa: B905


def _header_as_stored(image: Any) -> Any:
    """Read the header once more: nibabel replaces a voxel size of 0, which means unknown, by 1."""
    with image.file_map["image"].get_prepare_fileobj("rb") as file:
        return type(image.header).from_fileobj(file, check=False)


def _spacing_of(header: Any, path: Path) -> tuple[dict[str, float] | None, str | None]:
    # Stored as float32: its shortest decimal is the number that was meant (3.906, not 3.9059999).
    zooms = dict(zip("xyz", (float(str(abs(z))) for z in header.get_zooms()), strict=False))
    if not all(math.isfinite(z) and z > 0 for z in zooms.values()):
        logger.warning("%s states no valid voxel size; say it with --spacing and --unit.", path)
        return None, None
    unit = _UNITS.get(header.get_xyzt_units()[0])
    if unit is None:
        logger.info("%s states its voxel size without a unit; say --unit mm if it is mm.", path)
    return zooms, unit


def _check_size(path: Path, proxy: Any) -> None:
    """Refuse a cut-off file at once; inside gzip it is noticed when it is read."""
    if path.suffix == ".gz":
        return
    needed = proxy.offset + math.prod(proxy.shape) * proxy.dtype.itemsize
    if path.stat().st_size < needed:
        raise InputError(
            f"{path} is cut off: {path.stat().st_size} of {needed} bytes are there; copy it again."
        )


class _NiftiArray:
    """Voxels of a NIfTI file with the header's scaling applied."""

    def __init__(self, path: Path, proxy: Any):
        self.path = path
        self.shape: tuple[int, ...] = tuple(int(n) for n in proxy.shape)
        self._proxy = proxy
        self._scaled = (proxy.slope, proxy.inter) != (1.0, 0.0)
        self.dtype = self._type_read(np.dtype(proxy.dtype))

    def _type_read(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        if not self._scaled or stored.kind not in "iuf":
            return stored.newbyteorder("=")
        # Scaled integers of up to 16 bits are exact in float32.
        return np.dtype(np.float32 if stored.itemsize <= 2 or stored.kind == "f" else np.float64)

    def __getitem__(self, key: tuple[slice, ...], /) -> NDArray[Any]:
        return np.asarray(self._proxy[key], dtype=self.dtype)


def write_nifti(
    path: Path, labels: Image, planes: Iterable[NDArray[Any]], like: Image, record: str
) -> None:
    """Write planes (t, z order) of labels in the orientation of their source.

    The file holds x fastest, then y, z and t: planes are written one after the other, and a volume
    need not fit into memory.
    """
    image = _empty_image(labels, like)
    if record:
        text = (_MARK + record).encode()
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", text))
    image.update_header()
    with ImageOpener(str(path), "wb") as file:
        image.header.write_to(file)
        file.write(bytes(image.header.get_data_offset() - file.tell()))
        for plane in planes:
            file.write(_storable(plane, image.get_data_dtype()).tobytes())


def _empty_image(labels: Image, like: Image) -> Any:
    """Make an image with the header of the labels and no voxels."""
    times = (labels.times,) if labels.times > 1 else ()
    shape = (*reversed(labels.levels[0].shape), *times)
    # 64-bit labels are brought to 32 bits, which all programs read.
    dtype = labels.dtype if labels.dtype.itemsize < 8 else np.dtype(np.int32)
    voxels = np.broadcast_to(np.zeros((), dtype), shape)
    # nibabel declares no types.
    create: Any = nibabel.Nifti1Image
    image = create(voxels, _affine(labels, like), _header_like(like), dtype=dtype)
    image.header.set_slope_inter(1.0, 0.0)
    if like.affine is None:
        image.header.set_xyzt_units(xyz=_nifti_unit(labels.levels[0].spacing.unit))
    return image


def _storable(plane: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bring a plane to the type of the file."""
    if plane.dtype.itemsize == 8 and int(plane.max(initial=0)) > np.iinfo(np.int32).max:
        raise InputError("NIfTI holds labels up to 2147483647 here; write .ome.zarr instead.")
    return plane.astype(dtype, copy=False)


def _header_like(like: Image) -> Any:
    """Header of the source, which knows what its affine means; None for other sources."""
    if like.affine is None or not isinstance(like.source, Path) or not like.source.is_file():
        return None
    source: Any = nibabel.load(like.source)
    header = source.header.copy()
    header.extensions.clear()
    header["descrip"] = b"napari-ziggurat labels"
    header["cal_min"] = header["cal_max"] = 0  # display range of the source's intensities
    return header


def _affine(labels: Image, like: Image) -> NDArray[np.float64]:
    """Voxel indices of the labels -> world, through the voxel indices of the source."""
    level, source = labels.levels[0], like.levels[0]
    step = np.ones(3)
    origin = np.zeros(3)
    dims = labels.dims
    # Written in the order x, y, z.
    if like.affine is None:
        factor = convert_length(1.0, level.spacing.unit, _world_unit(level.spacing.unit)) or 1.0
        step[:dims] = np.array(level.spacing.values[::-1]) * factor
        origin[:dims] = np.array(level.translation[::-1]) * factor
        base = np.eye(4)
    else:
        sizes = np.array(source.spacing.values[::-1])
        step[:dims] = np.array(level.spacing.values[::-1]) / sizes
        offset = np.array(level.translation[::-1]) - np.array(source.translation[::-1])
        origin[:dims] = offset / sizes
        base = like.affine
    inner = np.diag([*step, 1.0])
    inner[:3, 3] = origin
    return np.asarray(base @ inner, np.float64)


def _world_unit(unit: str | None) -> str | None:
    """Give the unit of the world in NIfTI, which knows three; nanometers become micrometers."""
    return unit if unit in (None, *_UNITS.values()) else "um"


def _nifti_unit(unit: str | None) -> str:
    names = {short: name for name, short in _UNITS.items()}
    return names.get(_world_unit(unit) or "", "unknown")


def read_nifti_record(path: Path) -> str | None:
    """Find the record among the header extensions of a NIfTI file."""
    image: Any = nibabel.load(path)
    for extension in image.header.extensions:
        content = extension.get_content()
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        if text.startswith(_MARK):
            return text.removeprefix(_MARK).rstrip("\0")
    return None
