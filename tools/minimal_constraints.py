"""Write constraints-minimal.txt: the lowest versions that pyproject.toml declares, as pins.

Direct dependencies get their lower bound; everything else keeps its version from constraints.txt.

Usage: python tools/minimal_constraints.py [--check]
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "constraints-minimal.txt"
HEADER = """\
# Made by tools/minimal_constraints.py from pyproject.toml and constraints.txt: do not edit.
"""
KEPT = {"torch"}  # one build is tested; older ones are hundreds of megabytes each
# Chosen by pip: the lowest versions of direct dependencies need other ones than the tested ones.
FREE = {"pydantic-core", "pyqt6-qt6", "vispy"}
LOWER_BOUND = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)")


def main() -> int:
    text = HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(pins().items()))
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET.name} is out of date; run: python tools/minimal_constraints.py\n")
    return 1


def pins() -> dict[str, str]:
    """Return the pinned version of each package, by its normalised name."""
    tested = {name: version for name, version in tested_pins() if name not in FREE}
    lowest = {name: version for name, version in lower_bounds() if name not in KEPT}
    return tested | lowest


def tested_pins() -> list[tuple[str, str]]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = (line.split("==") for line in lines if "==" in line)
    return [(normalised(name), version) for name, version in found]


def lower_bounds() -> list[tuple[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(r for extra in extras for r in extra)]
    found = (LOWER_BOUND.match(r) for r in requirements if not r.startswith(project["name"]))
    return [(normalised(m[1]), m[2]) for m in found if m]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
