"""The cases of a fold as stages may see them; the leakage guard of its test cases."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfgansynth.arrays import FloatArray
from tfgansynth.data.dataset import (
    Case,
    CaseHashes,
    Dataset,
    Identity,
    case_hashes,
    shared_cases,
)
from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError, name_few


class HeldOutTestSet:
    """Test cases that only the final evaluation gets, and only without leakage."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """Keep the cases private."""
        self.__cases = tuple(cases)
        self.hashes = case_hashes(cases)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.__cases)

    def release(
        self, used: CaseHashes, *, to: str, allow_duplicates: bool
    ) -> tuple[Case, ...]:
        """Return the cases for the evaluation of something made without them.

        Args:
            used: The cases from which it was made, for training or otherwise.
            to: What is evaluated, for the message.
            allow_duplicates: Accept that the content of a test case was used under
                another id.

        Raises:
            InputError: A test case was used.
        """
        overlap = shared_cases(self.hashes, used, by_content=not allow_duplicates)
        if overlap:
            raise InputError(
                f"{to}: was made from test cases ({name_few(overlap)}), so that its "
                "results mean nothing; remove it and train it again"
            )
        return self.__cases

    def found_in(self, images: FloatArray) -> list[str]:
        """Return the ids of the cases whose image is one of (n, S, S) in [0, 255]."""
        given = {image.tobytes() for image in np.rint(images)}
        return [c.case_id for c in self.__cases if np.rint(c.image).tobytes() in given]


@dataclasses.dataclass(frozen=True, slots=True)
class FoldHashes:
    """The cases of one fold by the hashes of their content; see `FoldCases`."""

    number: int
    training: CaseHashes
    validation: CaseHashes
    unused: CaseHashes


def hash_fold(fold: Fold, cases: CaseHashes, *, reduced: bool) -> FoldHashes:
    """Name the cases of a fold by the hashes of all cases."""
    training = fold.training_ids(reduced=reduced)
    unused = [name for name in fold.training if name not in training]
    parts = (
        {name: cases[name] for name in part}
        for part in (training, fold.validation, unused)
    )
    return FoldHashes(fold.number, *parts)


@dataclasses.dataclass(frozen=True, slots=True)
class FoldCases:
    """The cases of one fold of the experiment. Paper: IV-A.

    Attributes:
        number: From 1.
        training: The cases that this experiment may train on.
        validation: Cases for early stopping.
        test: Cases for the final evaluation only.
        unused: Training cases that the reduced data set leaves out, which no network
            uses. There are none in the full data set.
        data: The data set that they are of.
    """

    number: int
    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: HeldOutTestSet
    unused: tuple[Case, ...]
    data: Identity


def select_fold(dataset: Dataset, fold: Fold, *, reduced: bool) -> FoldCases:
    """Select the cases of a fold from their data set."""
    training = fold.training_ids(reduced=reduced)
    left_out = [name for name in fold.training if name not in training]
    return FoldCases(
        number=fold.number,
        training=dataset.select(training),
        validation=dataset.select(fold.validation),
        test=HeldOutTestSet(dataset.select(fold.test)),
        unused=dataset.select(left_out),
        data=dataset.identity,
    )
