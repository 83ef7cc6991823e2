"""Whether a network has learned: its Dice beside that of masks of no network.

A constant mask is the same for every image. What does not beat the best of them on the
validation cases knows nothing of any image, whatever its Dice.
"""

import dataclasses
import statistics
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import Labels, MaskArray
from tfgansynth.evaluation.metrics import dice
from tfgansynth.ranges import optional

LabelMaps = Labels | MaskArray
"""(n, S, S): 0 is the background, k the k-th class; or bool, of one class."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValidationDice:
    """Mean Dice over validation cases and classes; all of `validation.json`.

    Attributes:
        network: The network's.
        all_foreground: That of a mask that covers the image.
        mean_mask: That of the mean of the training masks, cut at the level that is
            best on these.
        empty: That of an empty mask, which is right for each negative. Records of
            earlier versions do not have it.
    """

    network: float
    all_foreground: float
    mean_mask: float
    empty: float | None = optional(None)

    @property
    def has_learned(self) -> bool:
        """Whether the network beats all constant masks."""
        others = self.all_foreground, self.mean_mask, self.empty or 0
        return self.network > max(others)

    def __str__(self) -> str:
        """The figures in words."""
        best, name = max(
            (self.mean_mask, "the mean training mask"),
            (self.all_foreground, "all foreground"),
            (self.empty or 0, "an empty mask"),
        )
        return (
            f"Dice {self.network:.4f} on validation cases against {best:.4f} of the "
            f"best constant mask, {name}"
        )


def validation_dice(
    predictions: LabelMaps,
    truths: LabelMaps,
    training: LabelMaps,
    n_classes: int = 1,
) -> ValidationDice:
    """Measure a network's predictions for validation cases, and constant masks.

    Args:
        predictions: Of the n validation cases.
        truths: Theirs.
        training: Those of the training cases.
        n_classes: How many there are besides the background.
    """
    return ValidationDice(
        network=_mean_dice(lambda k: predictions == k, truths, n_classes),
        **constant_dice(training, truths, n_classes),
    )


def constant_dice(
    training: LabelMaps, truths: LabelMaps, n_classes: int = 1
) -> dict[str, float]:
    """Measure the constant masks; see `validation_dice`."""
    n, whole = len(truths), np.ones(truths.shape[1:], np.bool_)
    means = {k: mean_mask(training == k) for k in range(1, n_classes + 1)}
    return {
        "all_foreground": _mean_dice(lambda _: [whole] * n, truths, n_classes),
        "mean_mask": _mean_dice(lambda k: [means[k]] * n, truths, n_classes),
        "empty": _mean_dice(lambda _: [~whole] * n, truths, n_classes),
    }


def mean_mask(masks: MaskArray) -> MaskArray:
    """Return the pixels that so many masks cover that their mean Dice is largest.

    Args:
        masks: bool (n, S, S).

    Returns:
        Bool (S, S), all or nothing among others.
    """
    counts = masks.sum(axis=0)

    def sizes(values: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many are at least 0, 1, ..., n + 1."""
        found = np.bincount(values, minlength=len(masks) + 2)
        return np.asarray(found[::-1].cumsum()[::-1])

    areas = sizes(counts.ravel())
    total = np.zeros(len(areas))
    for mask in masks:
        both = areas + np.count_nonzero(mask)
        # Two empty masks are equal.
        total += np.where(both, 2 * sizes(counts[mask]) / np.maximum(both, 1), 1.0)
    return np.asarray(counts >= total.argmax())


def _mean_dice(
    masks: Callable[[int], Iterable[MaskArray]], truths: LabelMaps, n_classes: int
) -> float:
    return statistics.fmean(
        dice(mask, truth)
        for k in range(1, n_classes + 1)
        for mask, truth in zip(masks(k), truths == k, strict=True)
    )
