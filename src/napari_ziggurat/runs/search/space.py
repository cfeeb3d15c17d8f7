"""Search space: the networks that a search tries, and the file that its best one is written to.

A candidate is smaller than the network that is trained in the end: it has one stack of cells
instead of several, and half the features unless they are given.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Composition, NetworkConfig
from napari_ziggurat.networks.composition import explain_errors
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.necks import NasFPNConfig
from napari_ziggurat.networks.necks.genotype import Genotype, random_genotype
from napari_ziggurat.networks.registry import compose, sees_surroundings
from napari_ziggurat.networks.topology import Topology
from napari_ziggurat.runs.config import SearchConfig
from napari_ziggurat.runs.config.network_file import read_network

__all__ = ["SearchSpace", "read_composition"]


@dataclass(frozen=True)
class SearchSpace:
    """What all candidates have in common.

    Attributes
    ----------
    composition : Composition
        The network as a person gave it.
    neck : NasFPNConfig
        Its neck.
    small : ComposedConfig
        The network of the first candidate.
    start : tuple of Cell
        Its genotype.
    """

    composition: Composition
    neck: NasFPNConfig
    small: ComposedConfig
    start: Genotype

    @classmethod
    def of(
        cls, config: SearchConfig, composition: Composition, planned: NetworkConfig
    ) -> "SearchSpace":
        """Make the space around the network that was planned for the data.

        Raises
        ------
        InputError
            It cannot have fewer features.
        """
        if not (isinstance(planned, ComposedConfig) and isinstance(planned.neck, NasFPNConfig)):
            raise TypeError(f"network '{planned.name}' has no NAS-FPN neck")
        levels = planned.neck.pyramid(planned.topology).levels
        start = planned.neck.cells(planned.topology)
        if config.random_start:
            rng = np.random.default_rng((config.seed, levels))
            start = random_genotype(levels, max(levels, len(start)), rng)
        topology = planned.topology if config.features else _halved(planned.topology)
        neck = planned.neck.model_copy(update={"repeats": 1, "genotype": start})
        small = planned.model_copy(update={"topology": topology, "neck": neck})
        return cls(composition, planned.neck, _checked(small), start)

    @property
    def levels(self) -> int:
        """Levels of the pyramid that is searched."""
        return self.small.neck.pyramid(self.small.topology).levels

    @property
    def words(self) -> str:
        """What a candidate is."""
        return (
            f"candidates: {self.small.topology.features[0]} features at the finest level, one "
            f"stack of {len(self.start)} cells over {self.levels} levels"
        )

    def candidate(self, genotype: Genotype) -> ComposedConfig:
        """Give the network of a candidate."""
        neck = self.small.neck.model_copy(update={"genotype": genotype})
        return self.small.model_copy(update={"neck": neck})

    def to_yaml(self, genotype: Genotype, comment: str) -> str:
        """Write a genotype as a network for ``--network``, as large as it was given."""
        said = self.composition
        neck = self.neck.model_copy(update={"genotype": genotype})
        values = {"name": "", "preset": said.preset, **said.changes, "neck": neck}
        return f"# {comment}\n{Composition.model_validate(values).to_yaml()}"


def read_composition(config: SearchConfig) -> Composition:
    """Read what is searched.

    Raises
    ------
    InputError
        It has no NAS-FPN neck.
    """
    named = read_network(config.network)
    composition = named if isinstance(named, Composition) else Composition(name=named, preset=named)
    neck = composition.changes.get("neck") or compose(composition.preset).neck
    if not isinstance(neck, NasFPNConfig):
        raise InputError(
            f"A search changes the connections of a NAS-FPN neck, and network '{config.network}' "
            f"has neck '{neck.kind}'. Take --network nas_fpn, or a file with 'neck: nas_fpn'."
        )
    if sees_surroundings(composition):
        raise InputError(
            f"A part of the labels is held out of a search, and network '{config.network}' would "
            "see it in the surroundings of what it learns from. Leave its surround out."
        )
    return composition


def _halved(topology: Topology) -> Topology:
    return topology.with_features(tuple(max(1, n // 2) for n in topology.features))


def _checked(small: ComposedConfig) -> ComposedConfig:
    try:
        return ComposedConfig.model_validate(small.model_dump())
    except ValidationError as error:
        what = "; ".join(explain_errors(error, ComposedConfig))
        raise InputError(
            f"Candidates have half the features unless --features says how many, and network "
            f"'{small.name}' does not fit then: {what}."
        ) from None
