"""Search result: the best pyramid, how much better it is than the first, and how much is chance."""

import statistics
from dataclasses import asdict, dataclass

from napari_ziggurat.networks.necks.genotype import Genotype

__all__ = ["SearchResult"]


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    network : str
        File of the best network.
    candidates : int
        Different pyramids that were tried, the first included.
    steps, seconds : int, float
        Training steps of each, and the time of all.
    first, best : tuple of float
        Held-out Dice of the first and the best pyramid, one for each seed it was trained with;
        the search went by the first number.
    best_is_first : bool
        No other was better.
    genotype : tuple of Cell
        The best.
    next_command : str
        What trains it.
    """

    network: str
    candidates: int
    steps: int
    seconds: float
    first: tuple[float, ...]
    best: tuple[float, ...]
    best_is_first: bool
    genotype: Genotype
    next_command: str

    @property
    def noise(self) -> float | None:
        """Standard deviation of the first pyramid's scores between seeds; None for one seed."""
        return statistics.stdev(self.first) if len(self.first) > 1 else None

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        noise = None if self.noise is None else round(self.noise, 4)
        return asdict(self) | {"seconds": round(self.seconds, 1), "noise": noise}

    def render(self) -> str:
        """Say what was found, what of it may be chance, and what comes next."""
        found = (
            f"{self.network}: the best of {self.candidates} pyramids, {self.steps} steps each; "
            f"held-out Dice {self.best[0]:.3f}, of the first {self.first[0]:.3f}"
        )
        return "\n".join((found, f"  {self._verdict()}", f"  Train it: {self.next_command}"))

    def _verdict(self) -> str:
        if self.candidates == 1:
            return "Only the first was tried: give more --minutes or --candidates."
        if self.noise is None:
            return (
                "How much Dice differs by chance alone was not measured: the time was too short; "
                "give more --minutes."
            )
        noise = f"Between {len(self.first)} seeds the score of the first is {_spread(self.first)}"
        if self.best_is_first:
            return f"{noise}; none was better."
        if len(self.best) == 1:
            return f"{noise}; there was no time to train the best with another seed."
        return f"{noise}. With a seed that it was not chosen by, the best {self._gain()}."

    def _gain(self) -> str:
        """Compare seed by seed, without the one that the search went by."""
        gains = [b - a for a, b in zip(self.first[1:], self.best[1:], strict=False)]
        shown = " and ".join(f"{gain:+.3f}" for gain in gains)
        if statistics.mean(gains) > (self.noise or 0.0):
            return f"gains {shown}: more than the spread"
        return f"gains {shown}: less than the spread, so it may be chance"


def _spread(scores: tuple[float, ...]) -> str:
    return f"{statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f}"
