"""Sampling: which patches the network sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, SurroundGrids
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.volumes import FoundLabels, LabelledVolume

__all__ = ["LabelIndex", "Sampler"]


@dataclass(frozen=True)
class LabelIndex:
    """Positions of labelled voxels over all volumes.

    Attributes
    ----------
    positions : mapping of target value to (n, 1 + dims) array
        Volume number and voxel.
    shares : mapping of target value to float
        Part of the labelled voxels that have this value.
    """

    positions: dict[int, NDArray[np.int64]]
    shares: dict[int, float]

    @classmethod
    def from_volumes(cls, found: Sequence[FoundLabels]) -> "LabelIndex":
        """Join what `label_positions` found in each volume."""
        values = sorted({value for each in found for value in each.positions})
        joined = {
            value: np.concatenate(
                [
                    np.insert(each.positions[value], 0, number, axis=1)
                    for number, each in enumerate(found)
                    if value in each.positions
                ]
            )
            for value in values
        }
        counts = {v: sum(each.counts.get(v, 0) for each in found) for v in values}
        total = sum(counts.values())
        return cls(joined, {v: n / total for v, n in counts.items()})


@dataclass(frozen=True)
class Sampler:
    """Draws patches: some anywhere, some around labelled voxels with all classes alike.

    Attributes
    ----------
    volumes : sequence of LabelledVolume
    intensities : sequence of Intensity
        One for each volume.
    index : LabelIndex
    patch : tuple of int
        Shape of a patch in the axes of the volumes.
    balanced : float
        Part of the patches that is centred on a class drawn with equal chances. The rest lies
        anywhere where labels are dense, and around any labelled voxel where they are sparse.
    everywhere : bool
        All patches lie anywhere, labelled or not, as those of inference do.
    around : SurroundGrids or None
        Grids of the surroundings that are drawn with the patches, along the axes of the volumes.
        Patches then start on the grid of the hook, as windows do.
    """

    volumes: Sequence[LabelledVolume]
    intensities: Sequence[Intensity]
    index: LabelIndex
    patch: tuple[int, ...]
    balanced: float = 0.5
    everywhere: bool = False
    around: SurroundGrids | None = None

    @property
    def shares(self) -> list[float]:
        """Part of the labelled voxels that each channel of the network has."""
        channels = len(self.volumes[0].code.values)
        return [self.index.shares.get(channel + 1, 0.0) for channel in range(channels)]

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Draw one patch: normalised image (C, (Z), Y, X), target ((Z), Y, X) with 0 ignored."""
        return self.read(*self.place(rng))

    def place(self, rng: np.random.Generator) -> tuple[int, Box]:
        """Draw where a patch lies: number of the volume, and voxels, which may pass its end."""
        number, start = self._place(rng)
        if self.around is not None:
            start = self._on_grid(number, start, self.around)
        return number, Box(start, tuple(a + p for a, p in zip(start, self.patch, strict=True)))

    def read(self, number: int, wanted: Box) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Read a patch; the image goes on mirrored, and what is not there is not labelled."""
        volume = self.volumes[number]
        box = wanted.intersect(Box.whole(volume.shape))
        image, target = volume.read(box)
        image = self.intensities[number].apply(image)
        missing = [(0, p - n) for p, n in zip(self.patch, box.shape, strict=True)]
        return (
            np.pad(image, [(0, 0), *missing], mode="symmetric"),
            np.pad(target, missing),  # padding is ignored by the loss
        )

    @property
    def learns_shapes(self) -> bool:
        """Whether labels are objects whose shapes are learned as well."""
        return self.volumes[0].code.objects

    def read_shapes(
        self, number: int, wanted: Box, target: NDArray[np.uint8]
    ) -> NDArray[np.uint8] | None:
        """Read the shape targets (2, (Z), Y, X) of a patch, known where its target is labelled.

        None where labels are no objects.
        """
        if not self.learns_shapes:
            return None
        volume = self.volumes[number]
        box = wanted.intersect(Box.whole(volume.shape))
        missing = [(0, p - n) for p, n in zip(self.patch, box.shape, strict=True)]
        shapes = np.pad(volume.read_shapes(box), [(0, 0), *missing])
        return np.where(target > 0, shapes, np.uint8(0))

    def read_around(self, number: int, patch: Box) -> NDArray[np.float32] | None:
        """Read the surroundings of a patch, normalised like it; None where none are seen."""
        if self.around is None:
            return None
        volume = self.volumes[number]
        seen = self.around.around(patch.shift(volume.origin))
        return self.intensities[number].apply(volume.read_around(seen))

    def _on_grid(
        self, number: int, start: tuple[int, ...], grids: SurroundGrids
    ) -> tuple[int, ...]:
        """Move a patch to the nearest place on the grid of the hook at which it may begin."""
        found = []
        room, origin = self._room(number), self.volumes[number].origin
        for a, most, first, step in zip(start, room, origin, grids.hook, strict=True):
            low, high = -(-first // step), -(-(first + most) // step)
            found.append(min(max(low, round((first + a) / step)), max(low, high)) * step - first)
        return tuple(found)

    def _place(self, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        if self.everywhere:
            return self._anywhere(rng)
        if rng.random() < self.balanced:
            value = rng.choice(sorted(self.index.positions))
            return self._around(value, rng)
        if self.volumes[0].code.dense:
            return self._anywhere(rng)
        values = sorted(self.index.shares)
        value = rng.choice(values, p=[self.index.shares[v] for v in values])
        return self._around(value, rng)

    def _anywhere(self, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        sizes = np.array([Box.whole(volume.shape).size for volume in self.volumes], float)
        number = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        return number, tuple(int(rng.integers(0, n + 1)) for n in self._room(number))

    def _around(self, value: int, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        rows = self.index.positions[int(value)]
        number, *centre = rows[rng.integers(len(rows))].tolist()
        # anywhere within the middle half, so that no class sits always in the centre
        start = [c - int(rng.integers(p // 4, p - p // 4)) for c, p in
                 zip(centre, self.patch, strict=True)]  # fmt: skip
        room = self._room(number)
        return number, tuple(min(max(0, a), r) for a, r in zip(start, room, strict=True))

    def _room(self, number: int) -> list[int]:
        shape = self.volumes[number].shape
        return [max(0, n - p) for n, p in zip(shape, self.patch, strict=True)]
