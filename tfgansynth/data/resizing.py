"""What resizing to the side of an experiment does to the target of a data set."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from tfgansynth.arrays import Labels, MaskArray, resize_area, resize_bilinear

SIZES = (64, 128, 256, 512)
"""Sides in pixels that presets are scaled to, and that are tried here."""
_LARGEST_AREA_CHANGE = 0.05
_LARGEST_COMPONENTS_FACTOR = 1.5


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Area and number of components of a mask, before and after resizing.

    Attributes:
        area: After, as a share of that before.
        before: 8-connected components before.
        after: And after.
    """

    area: float
    before: int
    after: int

    @property
    def factor(self) -> float:
        """By how much the number of components differs, 1 or more."""
        low, high = sorted((self.before, self.after))
        return high / low if low else float("inf")


Tried = Mapping[int, Target]
"""One mask at the side of the experiment and at larger ones of `SIZES`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resizing:
    """What a reader of results must know of how their cases were resized.

    Attributes:
        size: Side of the experiment in pixels.
        area: Median area of the target after, as a share of that before.
        components_before: Median number of the target's components.
        components_after: The same at the side of the experiment.
        keeps: The least side from there on that keeps the target, the experiment's or
            one of `SIZES`; None if none does.
        n_smaller: Images that are smaller than the experiment's and were enlarged.
        smallest: Side of the smallest image in pixels.
    """

    size: int
    area: float
    components_before: float
    components_after: float
    keeps: int | None
    n_smaller: int
    smallest: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """What there is to say, without a period."""
        found = []
        side = f"{self.size} x {self.size} px"
        if self.keeps != self.size:
            keeps = (
                f"--data.size {self.keeps} keeps it"
                if self.keeps
                else f"no size up to {max(SIZES)} px keeps it"
            )
            found.append(
                f"downsampling to {side} changes the target: its area by "
                f"{self.area - 1:+.0%}, components from {self.components_before:g} "
                f"to {self.components_after:g} (medians); {keeps}"
            )
        if self.n_smaller:
            fits = [each for each in SIZES if each <= self.smallest]
            advice = f"; --data.size {fits[-1]} enlarges none" if fits else ""
            found.append(
                f"{self.n_smaller} images are smaller than {side} and are enlarged "
                f"(smallest: {self.smallest} px){advice}"
            )
        return tuple(found)


def try_sizes(mask: MaskArray, size: int, *, soft: bool = False) -> Tried:
    """Compare a mask, not empty, with itself at a side in pixels and at larger ones.

    If `soft`, it is resized bilinearly, as for `data.soft_masks`.
    """
    resize = resize_bilinear if soft else resize_area
    before = _components(mask)
    sides = {size, *(side for side in SIZES if side > size)}
    found = {}
    for side in sorted(sides):
        if side >= len(mask):
            # It is kept, or enlarged.
            found[side] = Target(1.0, before, before)
            continue
        resized = resize(mask, side) >= 0.5
        found[side] = Target(
            float(resized.mean() / mask.mean()), before, _components(resized)
        )
    return found


def _components(mask: MaskArray) -> int:
    count, _ = cv2.connectedComponents(mask.astype(np.uint8))
    return int(count - 1)


def summarize(
    tried: Sequence[Tried], sides: Sequence[int], size: int
) -> Resizing | None:
    """Say what resizing to a side has changed; None if there is nothing to say.

    Args:
        tried: The masks that are not empty, by `try_sizes`.
        sides: Side of each image in pixels.
        size: Side of the experiment.
    """
    here = [each[size] for each in tried]
    larger = [side for side in SIZES if side > size]
    found = Resizing(
        size=size,
        area=_median([each.area for each in here]),
        components_before=_median([each.before for each in here]),
        components_after=_median([each.after for each in here]),
        keeps=next(
            (s for s in (size, *larger) if _keeps([each[s] for each in tried])), None
        ),
        n_smaller=sum(side < size for side in sides),
        smallest=min(sides, default=0),
    )
    return found if found.sentences else None


def summarize_classes(
    tried: Sequence[Sequence[Tried]], sides: Sequence[int], size: int
) -> Resizing | None:
    """Do so for the first class that is changed, or else for all of them."""
    found = [summarize(each, sides, size) for each in tried]
    changed = [each for each in found if each and each.keeps != size]
    whole = [each for of_class in tried for each in of_class]
    return changed[0] if changed else summarize(whole, sides, size)


def try_classes(
    labels: Labels | MaskArray, n_classes: int, size: int, *, soft: bool = False
) -> list[list[Tried]]:
    """Try the mask of each class that a case has; see `try_sizes`."""
    masks = [labels == index for index in range(1, n_classes + 1)]
    return [[try_sizes(mask, size, soft=soft)] if mask.any() else [] for mask in masks]


def _keeps(targets: Sequence[Target]) -> bool:
    change = _median([abs(each.area - 1) for each in targets])
    factor = _median([each.factor for each in targets])
    return change <= _LARGEST_AREA_CHANGE and factor <= _LARGEST_COMPONENTS_FACTOR


def _median(values: Sequence[float]) -> float:
    """The median; 0 of no masks, as in a data set of negatives only."""
    return float(statistics.median(values)) if values else 0.0
