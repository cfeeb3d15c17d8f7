"""Draw the sample data anew: ``python sample_data/generate.py [FOLDER]``.

The drawings are those of ``ziggurat demo`` and of napari's File > Open Sample, only smaller.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images.samples import Drawn, draw_plane, draw_volume
from napari_ziggurat.images.strokes import draw_strokes

VOLUME, PLANE = (32, 192, 192), (256, 256)


def main(folder: Path) -> None:
    """Write all files into a folder."""
    volume, plane = draw_volume(VOLUME), draw_plane(PLANE)
    for name, voxels in layers(volume).items():
        write_tiff(folder / f"volume_{name}.ome.tif", voxels, volume.spacing)
    for name, pixels in layers(plane).items():
        Image.fromarray(pixels).save(folder / f"plane_{name}.png", optimize=True)


def layers(drawn: Drawn) -> dict[str, NDArray[np.uint8]]:
    """Give the image, its truth, and strokes on one hundredth of it."""
    strokes = draw_strokes(drawn.labels, 0.01, planes=6)
    return {"image": drawn.image, "truth": drawn.labels, "strokes": strokes}


def write_tiff(path: Path, voxels: NDArray[np.uint8], spacing: Spacing) -> None:
    """Write an OME-TIFF that says its axes and its spacing."""
    size: dict[str, Any] = {}
    for letter, value in zip("ZYX", spacing.values, strict=True):
        size |= {f"PhysicalSize{letter}": value, f"PhysicalSize{letter}Unit": "µm"}
    about = {"axes": "ZYX", **size}
    tifffile.imwrite(
        path,
        voxels,
        ome=True,
        compression="zlib",
        predictor=False,
        metadata=about,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
