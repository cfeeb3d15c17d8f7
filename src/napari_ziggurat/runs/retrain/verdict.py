"""Verdict: whether what a round made takes the place it was meant for, and what is said of it."""

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.retrain.table import Comparison
from napari_ziggurat.training.loop import Diverged

__all__ = ["not_finished", "not_taken_over"]


def not_finished(diverged: Diverged, steps: int, place: str) -> WorkFailed:
    """Say that a training was stopped by itself, and where its last good state is."""
    return WorkFailed(f"{diverged} The last good state, after step {steps}, is kept in '{place}'.")


def not_taken_over(comparison: Comparison, place: str, config: TrainConfig) -> WorkFailed:
    """Say that a round made a model worse, and how it is taken all the same."""
    before, after = comparison.means or (0.0, 0.0)
    return WorkFailed(
        f"This round lowers the mean validation Dice from {before:.3f} to {after:.3f}, by more "
        f"than --tolerance {config.tolerance:g}, so it was not taken over: it is kept in "
        f"'{place}'. To take it, run the same command with --accept; nothing is trained again."
    )
