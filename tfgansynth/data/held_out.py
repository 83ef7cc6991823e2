"""The cases of a fold as stages may see them; the leakage guard of its test cases."""

import dataclasses
from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np

from tfgansynth.arrays import FloatArray
from tfgansynth.data.dataset import (
    Case,
    CaseHashes,
    CaseTable,
    Dataset,
    Identity,
    UnlabelledImage,
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
    without_masks: CaseHashes = dataclasses.field(default_factory=dict)

    @property
    def unlabelled(self) -> CaseHashes:
        """See `FoldCases.unlabelled`."""
        return {**self.unused, **self.without_masks}


def hash_fold(
    fold: Fold,
    cases: CaseHashes,
    *,
    reduced: bool,
    unlabelled: CaseHashes = MappingProxyType({}),
    table: CaseTable | None = None,
) -> FoldHashes:
    """Name the cases of a fold by the hashes of all cases and unlabelled images."""
    training = fold.training_ids(reduced=reduced)
    unused = [name for name in fold.training if name not in training]
    held_out = *fold.validation, *fold.test
    chosen = of_other_patients(unlabelled, held_out, table or CaseTable())
    return FoldHashes(
        fold.number,
        training={name: cases[name] for name in training},
        validation={name: cases[name] for name in fold.validation},
        unused={name: cases[name] for name in unused},
        without_masks={name: unlabelled[name] for name in chosen},
    )


def of_other_patients(
    unlabelled: Iterable[str], case_ids: Iterable[str], table: CaseTable
) -> list[str]:
    """Leave out unlabelled images of the patients of some cases."""
    owners = {*table.patients_of(case_ids)}
    names = [*unlabelled]
    patients = table.patients_of(names)
    return [
        name
        for name, patient in zip(names, patients, strict=True)
        if patient not in owners
    ]


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
        without_masks: The data set's unlabelled images, but for those of patients who
            have validation or test cases.
    """

    number: int
    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: HeldOutTestSet
    unused: tuple[Case, ...]
    data: Identity
    without_masks: tuple[UnlabelledImage, ...] = ()

    @property
    def unlabelled(self) -> tuple[Case | UnlabelledImage, ...]:
        """What may be learned from without masks of its own: unused cases, images."""
        return *self.unused, *self.without_masks


def select_fold(dataset: Dataset, fold: Fold, *, reduced: bool) -> FoldCases:
    """Select the cases of a fold from their data set."""
    training = fold.training_ids(reduced=reduced)
    left_out = [name for name in fold.training if name not in training]
    images = {each.case_id: each for each in dataset.unlabelled}
    held_out = *fold.validation, *fold.test
    chosen = of_other_patients(images, held_out, dataset.table)
    return FoldCases(
        number=fold.number,
        training=dataset.select(training),
        validation=dataset.select(fold.validation),
        test=HeldOutTestSet(dataset.select(fold.test)),
        unused=dataset.select(left_out),
        data=dataset.identity,
        without_masks=tuple(images[name] for name in chosen),
    )
