"""Masks of a data set of which some may be inverted."""

import dataclasses
import statistics
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tfgansynth.errors import name_few

_LARGE_AREA = 0.6


@dataclasses.dataclass(frozen=True, slots=True)
class Cover:
    """What a mask covers: shares of the image, and of its border."""

    area: float
    border: float


def cover(inside: NDArray[np.bool_]) -> Cover:
    """Measure a mask, bool (H, W)."""
    return Cover(float(inside.mean()), border_share(inside))


def border_share(inside: NDArray[np.bool_]) -> float:
    """Share of the outermost pixels that are inside."""
    edge = [inside[0], inside[-1], inside[:, 0], inside[:, -1]]
    return float(np.concatenate(edge).mean())


def inverted(covers: Mapping[str, Cover]) -> tuple[list[str], str]:
    """Find masks that cover what is background in the others.

    Returns:
        Their names, and why, in words; no names if there are none.
    """
    mixed = {name: each for name, each in covers.items() if 0 < each.area < 1}
    odd = sorted(name for name, each in mixed.items() if each.border > 0.5)
    rest = mixed.keys() - set(odd)
    if not odd or not rest:
        return [], ""
    middle = statistics.median(mixed[name].area for name in rest)
    turned = statistics.median(mixed[name].area for name in odd)
    if abs(1 - turned - middle) >= abs(turned - middle):
        return [], ""
    return odd, (
        f"{len(odd)} of {len(covers)} masks look inverted ({name_few(odd)}): they fill "
        f"the border of the image and {100 * turned:.0f} % of it, the others "
        f"{100 * middle:.0f} %"
    )


def large(areas: Mapping[str, float]) -> tuple[list[str], str]:
    """Find masks that cover much of their images.

    Returns:
        Their names, and what a person should look at; no names if there are none.
    """
    found = [name for name, area in areas.items() if area > _LARGE_AREA]
    return found, (
        f"{len(found)} of {len(areas)} masks cover more than {100 * _LARGE_AREA:.0f} % "
        f"of the image ({name_few(found)}): inverted?"
    )
