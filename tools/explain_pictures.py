"""Make the picture of docs/explain.md from the volume and the model of a demo.

ziggurat demo --out DEMO
python tools/explain_pictures.py DEMO
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ExplainConfig
from napari_ziggurat.runs.explain import explain

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "explain.png"
BOX = "48:49,96:320,48:272"  # small enough that single voxels are seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--box", default=BOX)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "explained"
        finish(explain(ExplainConfig(
            model=options.demo / "model", image=options.demo / "volume.ome.zarr", out=out,
            box=options.box,
        )))  # fmt: skip
        shrink(out / "features.png", options.out)


def shrink(source: Path, target: Path) -> None:
    """Keep 256 colours, for pages that load soon."""
    picture = Image.open(source).convert("RGB")
    few = picture.quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few.save(target, optimize=True)


if __name__ == "__main__":
    main()
