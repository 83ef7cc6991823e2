"""Which cases show the same picture, and does the split separate them?

If a copy of a training case is in the test part, the measurement is worthless. The copy
may have been compressed, resized, re-exposed, inverted, mirrored, turned, shifted,
cropped, framed or marked. Films of two patients that merely look alike are not copies.
See `registration` for how they are compared.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from tfgansynth.arrays import FloatArray
from tfgansynth.data.copies.registration import find_copies
from tfgansynth.data.splits import Fold


@dataclasses.dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two cases that show the same picture.

    Attributes:
        first: Id of one case.
        second: Id of the other.
        kind: `exact` if every pixel is equal.
        similarity: The score of the registration, [0, 1].
        alterations: How one differs from the other, in words, such as `inverted`.
    """

    first: str
    second: str
    kind: Literal["exact", "near"]
    similarity: float = 1.0
    alterations: tuple[str, ...] = ()

    @property
    def relation(self) -> str:
        """How the first is related to the second, as in "a is ... b"."""
        if self.kind == "exact":
            return "the same image as"
        likeness = ", ".join([f"similarity {self.similarity:.2f}", *self.alterations])
        return f"nearly the same image ({likeness}) as"

    def __str__(self) -> str:
        """Return `a is the same image as b`."""
        return f"{self.first} is {self.relation} {self.second}"


@dataclasses.dataclass(frozen=True, slots=True)
class Crossing:
    """A pair of duplicates whose cases are in different parts of a fold.

    Attributes:
        pair: The cases.
        fold: Number of the fold, from 1.
        parts: The part of the first and of the second case: `training`, `validation`
            or `test`; `development` of a case that no fold has, and `unlabelled` of an
            image without a mask.
    """

    pair: DuplicatePair
    fold: int
    parts: tuple[str, str]

    def __str__(self) -> str:
        """Return the pair and the parts of its cases."""
        return f"{self.pair} ({' and '.join(self.parts)} of fold {self.fold})"


def find_duplicates(images: Mapping[str, FloatArray]) -> tuple[DuplicatePair, ...]:
    """Find the images that show the same picture, unchanged or altered.

    Each of several equal images is paired with the first one only, and each of many
    copies of one picture with the closest ones. The pairs thus connect all copies, but
    are not all pairs of copies.

    This takes about 40 ms of a processor for each image.

    Args:
        images: By case id: float32 (S, S) or (S, S, 3), [0, 255]; sizes may differ.

    Returns:
        The exact pairs, then the near ones; the case named first comes first in
        `images`.
    """
    first_with: dict[bytes, str] = {}
    exact = []
    for case_id, image in images.items():
        first = first_with.setdefault(content_key(image), case_id)
        if first != case_id:
            exact.append(DuplicatePair(first, case_id, "exact"))
    ids = list(first_with.values())
    near = (
        DuplicatePair(
            ids[copy.first], ids[copy.second], "near", copy.score, copy.alterations
        )
        for copy in find_copies([images[name] for name in ids])
    )
    return (*exact, *near)


def content_key(image: FloatArray) -> bytes:
    """Return what two images have in common only if every pixel is equal."""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()


def across_split(
    pairs: Sequence[DuplicatePair],
    folds: Sequence[Fold],
    unlabelled: Collection[str] = (),
) -> tuple[Crossing, ...]:
    """Return the pairs that a split separates, once for each fold that does so.

    Training is the whole training part, even if an experiment reduces it. Unlabelled
    images are a part of their own: networks of all folds may learn from them.
    """
    crossings = []
    for fold in folds:
        part_of = dict.fromkeys(unlabelled, "unlabelled") | {
            case_id: part
            for part in ("training", "validation", "test")
            for case_id in getattr(fold, part)
        }
        for pair in pairs:
            first, second = (
                part_of.get(case_id, "development")
                for case_id in (pair.first, pair.second)
            )
            parts = first, second
            if parts[0] != parts[1]:
                crossings.append(Crossing(pair, fold.number, parts))
    return tuple(crossings)
