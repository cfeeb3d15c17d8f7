"""Paint of a drawn sample: how each kind of object looks, and how the camera sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.sample_objects import BODY, SHELL, SPOT, Thing

__all__ = ["Canvas", "clouds", "expose", "paint"]

Floats = NDArray[np.float32]

_SOFT = 0.8  # width of an edge, in micrometers
_BRIGHT = (0.66, 0.78)
_DARK = (0.2, 0.3)


@dataclass(frozen=True)
class Canvas:
    """Grey values (about 0..1) and labels while they are drawn, ((Z), Y, X).

    ``spacing`` is the size of a voxel, ``unit`` the factor by which all objects are smaller.
    """

    grey: Floats
    labels: NDArray[np.uint8]
    spacing: NDArray[np.float64]
    unit: float

    @property
    def extent(self) -> NDArray[np.float64]:
        """Physical size."""
        return np.array(self.grey.shape) * self.spacing

    def box(self, thing: Thing, reach: float) -> Box:
        """Voxels within ``reach`` times the longest half axis."""
        half = thing.axes.max() * reach
        start = np.floor((thing.centre - half) / self.spacing).astype(int)
        stop = np.ceil((thing.centre + half) / self.spacing).astype(int) + 1
        box = Box(tuple(start.tolist()), tuple(stop.tolist()))
        return box.intersect(Box.whole(self.grey.shape))

    def depth(self, thing: Thing, box: Box) -> Floats:
        """Distance below the surface of a thing, about; negative outside."""
        squares = [
            ((np.arange(a, b) * step - centre) / axis) ** 2
            for a, b, step, centre, axis in zip(
                box.start, box.stop, self.spacing, thing.centre, thing.axes, strict=True
            )
        ]
        grid = np.meshgrid(*squares, indexing="ij", sparse=True)
        return _floats((1 - np.sqrt(sum(grid))) * thing.radius)

    def blend(self, box: Box, alpha: Floats, grey: Floats | float) -> None:
        """Lay grey values over what is there; ``alpha`` 1 hides it."""
        view = self.grey[box.slices]
        view += alpha * (grey - view)


def paint(canvas: Canvas, thing: Thing, rng: np.random.Generator) -> None:
    """Paint one object, its labels included."""
    box = canvas.box(thing, reach=1.3)
    depth = _PAINTERS[thing.value](canvas, thing, box, rng)
    canvas.labels[box.slices][depth > 0] = thing.value


def clouds(shape: Sequence[int], length: NDArray[np.float64], rng: np.random.Generator) -> Floats:
    """Smooth noise of mean 0 and deviation 1, correlated over ``length`` voxels per axis.

    White noise on a coarse grid, blurred on its way to the fine one: one small matrix per axis.
    """
    blurs = [_blur_up(n, max(1.0, float(r))) for n, r in zip(shape, length, strict=True)]
    noise = rng.standard_normal([blur.shape[1] for blur in blurs], np.float32)
    for blur in blurs:
        # Each product moves its axis to the end, so after all of them the order is the old one.
        noise = np.tensordot(noise, blur, axes=(0, 1))
    return noise


def expose(grey: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light it unevenly, add noise that grows with the light, and count in 256 steps."""
    image = np.empty(grey.shape, np.uint8)
    # Plane by plane: less memory, and what is deeper gets less light.
    planes = [(grey, image)] if grey.ndim == 2 else list(zip(grey, image, strict=True))
    light = _light(grey.shape[-2:], rng)
    for number, (plane, out) in enumerate(planes):
        lit = plane * light * np.float32(1 - 0.25 * number / len(planes))
        lit += 0.06 * np.sqrt(np.maximum(lit, 0)) * rng.standard_normal(lit.shape, np.float32)
        out[...] = np.clip(np.rint(255 * lit), 0, 255)
    return image


def _body(canvas: Canvas, thing: Thing, box: Box, rng: np.random.Generator) -> Floats:
    """Grains in a bumpy outline, on average as bright as what is around."""
    bumps = clouds(box.shape, 0.45 * thing.radius / canvas.spacing, rng)
    depth = canvas.depth(thing, box) + 0.07 * thing.radius * np.clip(bumps, -2, 2)
    grain = _grain(box.shape, canvas.spacing, rng)
    canvas.blend(box, _edge(depth), canvas.grey[box.slices] + 0.15 * grain)
    return depth


def _shell(canvas: Canvas, thing: Thing, box: Box, rng: np.random.Generator) -> Floats:
    """Bright rim, dark inside."""
    depth = canvas.depth(thing, box)
    rim = _edge(depth) * _edge(1.4 * canvas.unit - depth)
    canvas.blend(box, _edge(depth), float(rng.uniform(*_DARK)))
    canvas.blend(box, rim, float(rng.uniform(*_BRIGHT)))
    return depth


def _spot(canvas: Canvas, thing: Thing, box: Box, rng: np.random.Generator) -> Floats:
    """Solid, as bright as the rim of a shell."""
    depth = canvas.depth(thing, box)
    canvas.blend(box, _edge(depth), float(rng.uniform(*_BRIGHT)))
    return depth


_PAINTERS: dict[int, Callable[[Canvas, Thing, Box, np.random.Generator], Floats]] = {
    BODY: _body,
    SHELL: _shell,
    SPOT: _spot,
}


def _grain(
    shape: tuple[int, ...], spacing: NDArray[np.float64], rng: np.random.Generator
) -> Floats:
    """Texture of the bodies: grains of one size, as many dark as bright."""
    noise = rng.standard_normal(shape, np.float32)
    fine = ndimage.gaussian_filter(noise, 0.8 / spacing, truncate=3)
    coarse = ndimage.gaussian_filter(noise, 1.6 / spacing, truncate=2)
    band = fine - coarse
    return _floats(np.tanh(1.2 * band / band.std()))


def _edge(depth: Floats) -> Floats:
    """Give 0 outside and 1 inside, with a soft step as optics make it."""
    return _floats(np.clip(depth / _SOFT + 0.5, 0, 1))


def _floats(values: NDArray[np.floating]) -> Floats:
    return values.astype(np.float32, copy=False)


def _blur_up(size: int, length: float) -> Floats:
    """Matrix (size, knots): Gaussian weights of knots ``length`` apart, squares adding up to 1."""
    knots = np.arange(-3 * length, size + 3 * length, length)
    away = (np.arange(size)[:, None] - knots[None]) / length
    weights = np.exp(-(away**2) / 2)
    return _floats(weights / np.linalg.norm(weights, axis=1, keepdims=True))


def _light(shape: Sequence[int], rng: np.random.Generator) -> Floats:
    """Brightness over a plane: about 1.35 where the light falls, 0.65 in the farthest corner."""
    bright = rng.uniform(0.15, 0.4, 2) * rng.choice([-1, 1], 2)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    away = (y - bright[0]) ** 2 + (x - bright[1]) ** 2
    return _floats(0.6 + 0.75 * np.exp(-away / 1.1))
