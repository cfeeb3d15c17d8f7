"""Class shares: what a person says of how common classes are."""

import re
from collections.abc import Mapping, Sequence

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError

__all__ = ["ESTIMATED", "PAINTED", "check_shares", "told_shares"]

ESTIMATED, PAINTED = "estimated", "painted"
_SLACK = 1e-3  # by which shares may miss one: people round


def check_shares(text: object) -> object:
    """Check ``"estimated"``, ``"painted"``, or shares such as ``"membrane=0.2,nucleus=0.1"``.

    Raises
    ------
    InputError
        It is none of them, or the shares are more than everything.
    """
    if isinstance(text, Mapping):
        text = ",".join(f"{name}={share}" for name, share in text.items())
    if isinstance(text, str) and text not in (ESTIMATED, PAINTED):
        total = sum(_parse(text).values())
        if total > 1 + _SLACK:
            raise InputError(
                f"Class shares are parts of all voxels and sum to 1 at most; '{text}' sums to "
                f"{total:g}. Say 0.2 for a class that fills a fifth of the image."
            )
    return text


def told_shares(text: str, classes: Sequence[LabelClass]) -> tuple[float | None, ...]:
    """Give the share of each class, None where nothing was said; empty where no class was named.

    Parameters
    ----------
    text : str
        As `check_shares` lets it pass.
    classes : sequence of LabelClass
        One per channel of the network; each is named by its name or its value.

    Raises
    ------
    InputError
        A name is none of the classes, or the shares of all classes do not sum to one.
    """
    if text in (ESTIMATED, PAINTED):
        return ()
    told = _parse(text)
    known = {key: c.value for c in classes for key in (c.name, str(c.value))}
    if unknown := sorted(set(told) - set(known)):
        raise InputError(
            f"--class-shares names '{unknown[0]}'; the classes of these labels are "
            f"{', '.join(f'{c.name} ({c.value})' for c in classes)}. Say one of these names or "
            "numbers."
        )
    by_value = {known[key]: share for key, share in told.items()}
    shares = tuple(by_value.get(c.value) for c in classes)
    _refuse_rest(shares)
    return shares


def _refuse_rest(shares: Sequence[float | None]) -> None:
    """Refuse shares of all classes that leave voxels without a class."""
    total = sum(share or 0 for share in shares)
    if None not in shares and abs(total - 1) > _SLACK:
        raise InputError(
            f"--class-shares tells the shares of all classes, which sum to {total:g}; all voxels "
            "have a class, so they must sum to 1. Leave one class out, and it gets the rest."
        )


def _parse(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(.+?)\s*=\s*([\d.]+(?:e-?\d+)?)\s*", part)
        share = float(match[2]) if match and match[2].count(".") < 2 else 0.0
        if match is None or not 0 < share < 1 or match[1] in found:
            raise InputError(
                f"--class-shares is {ESTIMATED}, {PAINTED}, or a part of the voxels between 0 and "
                f"1 for each class that you know, such as membrane=0.2; got '{text}'."
            )
        found[match[1]] = share
    return found
