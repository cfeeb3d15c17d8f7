"""Result of an explanation: its figures as JSON and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_ziggurat.networks.analysis import Cost, FusionScale
from napari_ziggurat.networks.receptive_field import ReceptiveField

__all__ = ["ExplainResult"]

_UNEQUAL = 2.0  # times that branches differ before a word is said of equalizers


@dataclass(frozen=True)
class ExplainResult:
    """What was found; ``explain.json`` holds the same.

    Attributes
    ----------
    out : str
        Folder that everything lies in.
    looked_at : mapping
        Model, network, image, level, box, device, files and notes.
    layers, attention : sequence of mapping
        Place, files and figures of each feature and of each attention map.
    fusions : sequence of FusionScale
        Variances of the branches, in the order of execution.
    field : ReceptiveField
    unit : str or None
        Of its distances.
    costs : sequence of Cost
        Each part's for the region; all come last.
    """

    out: str
    looked_at: Mapping[str, Any]
    layers: Sequence[Mapping[str, Any]]
    attention: Sequence[Mapping[str, Any]]
    fusions: Sequence[FusionScale]
    field: ReceptiveField
    unit: str | None
    costs: Sequence[Cost]

    @property
    def equalized(self) -> bool:
        """Tell whether there are scale equalizers."""
        return any(fusion.after is not None for fusion in self.fusions)

    def as_dict(self) -> dict[str, object]:
        """Give what ``explain.json`` holds."""
        return {
            "out": self.out,
            **self.looked_at,
            "layers": list(self.layers),
            "attention": list(self.attention),
            "branches": {
                "equalizers": self.equalized,
                "fusions": [_fusion(each) for each in self.fusions],
            },
            "receptive_field": _field(self.field, self.unit),
            "costs": [each.as_dict() for each in self.costs],
        }

    def render(self) -> str:
        """Say what there is, in a table and three sentences."""
        return "\n".join([*self._table(), "", self._reach(), self._branches(), self._place()])

    def _table(self) -> list[str]:
        rows = [
            (each.part, f"{each.parameters:,}", f"{each.multiply_adds / 1e9:,.3f}")
            for each in self.costs
            if each.parameters or each.multiply_adds
        ]
        rows.insert(0, ("part", "parameters", "GMAC"))
        wide = [max(len(row[i]) for row in rows) for i in range(3)]
        return [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows]

    def _reach(self) -> str:
        field, unit = self.field, self.unit or "voxels"
        could = " x ".join(
            f"{'more than ' * more}{n}"
            for n, more in zip(field.theoretical.voxels, field.theoretical.more, strict=True)
        )
        cut = " It was looked at only that far; the radii are at least these." if any(
            field.larger) else ""  # fmt: skip
        return (
            f"Receptive field: half of the influence comes from within {field.distance_50:.4g} "
            f"{unit}, 95 % from within {field.distance_95:.4g} {unit}; in theory {could} voxels "
            f"could have some (looked at: {_by(field.looked_at)}).{cut}"
        )

    def _branches(self) -> str:
        if not self.fusions:
            return "Branches: none are joined by parts of this package."
        worst = max(self.fusions, key=lambda fusion: fusion.ratio)
        said = f"Branches differ up to {worst.ratio:.3g} times in variance ({worst.name}); "
        if self.equalized:
            left = max(max(f.after) / min(f.after) for f in self.fusions if f.after)
            return said + f"behind their scale equalizers {left:.3g} times."
        sums = " with equalize_sums in a network's file" if worst.joins == "sum" else ""
        wish = f"--equalize explicit{sums} would even them out"
        said += "there are no scale equalizers"
        return f"{said}; {wish}." if worst.ratio > _UNEQUAL else f"{said}, and little to even out."

    def _place(self) -> str:
        return (
            f"Everything lies in '{self.out}': pictures, explain.json, and {len(self.layers)} "
            f"features in layers/ that napari shows over the image."
        )


def _fusion(fusion: FusionScale) -> dict[str, Any]:
    return {
        "name": fusion.name,
        "joins": fusion.joins,
        "before": list(fusion.before),
        "after": None if fusion.after is None else list(fusion.after),
        "ratio": fusion.ratio,
    }


def _field(field: ReceptiveField, unit: str | None) -> dict[str, Any]:
    """Give radii and sizes per axis, in voxels and in the unit of the spacing."""
    per_axis = {
        "radius_50": field.radius_50,
        "radius_95": field.radius_95,
        "theoretical": field.theoretical.voxels,
        "looked_at": field.looked_at,
    }
    return {
        "voxels": {name: list(values) for name, values in per_axis.items()},
        "physical": {
            "unit": unit,
            "spacing": list(field.spacing),
            **{
                name: [v * s for v, s in zip(values, field.spacing, strict=True)]
                for name, values in per_axis.items()
            },
            "distance_50": field.distance_50,
            "distance_95": field.distance_95,
        },
        "theoretical_is_at_least": list(field.theoretical.more),
        "larger_than_looked_at": list(field.larger),
    }


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
