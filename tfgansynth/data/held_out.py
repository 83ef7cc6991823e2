"""The cases of a fold as its stages may see them: test cases only under seal."""

import dataclasses
from collections.abc import Sequence

from tfgansynth.data.dataset import Case, CaseHashes, Dataset, case_hashes
from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError, name_few


class HeldOutTestSet:
    """Test cases that only the final evaluation opens.

    Args:
        cases: The cases to seal.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        """Seal the cases."""
        self.__cases = tuple(cases)
        self.hashes = case_hashes(cases)

    def __len__(self) -> int:
        """How many cases are sealed."""
        return len(self.__cases)

    def open(
        self, seen: CaseHashes, *, by: str, allow_duplicates: bool
    ) -> tuple[Case, ...]:
        """Open the cases to something that has seen none of them.

        Args:
            seen: The cases, of whatever use, that went into what is evaluated.
            by: What is evaluated, for the message.
            allow_duplicates: Accept that a case's content was seen under another id.

        Raises:
            InputError: One of the cases was seen.
        """
        overlap = shared_cases(self.hashes, seen, by_content=not allow_duplicates)
        if overlap:
            raise InputError(
                f"{by}: has seen test cases ({name_few(overlap)}): no result can come "
                "of it; remove it and train it anew"
            )
        return self.__cases


def shared_cases(
    cases: CaseHashes, others: CaseHashes, *, by_content: bool
) -> list[str]:
    """Return the ids of `cases` that are among `others`, by id or also by content."""
    contents = set(others.values()) if by_content else set()
    return [
        case_id
        for case_id, content in cases.items()
        if case_id in others or content in contents
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class FoldCases:
    """One fold of the experiment, opened but for its test cases. Paper: IV-A.

    Attributes:
        number: From 1.
        training: The cases that this experiment may train on.
        validation: Cases for early stopping.
        test: Cases for the final evaluation alone.
        unused: Training cases that the reduced data set leaves out: no network
            sees them. None with the full one.
    """

    number: int
    training: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: HeldOutTestSet
    unused: tuple[Case, ...] = ()


def open_fold(dataset: Dataset, fold: Fold, *, reduced: bool) -> FoldCases:
    """Take the cases of a fold from their data set."""
    training = fold.training_ids(reduced=reduced)
    left_out = [name for name in fold.training if name not in training]
    return FoldCases(
        number=fold.number,
        training=dataset.select(training),
        validation=dataset.select(fold.validation),
        test=HeldOutTestSet(dataset.select(fold.test)),
        unused=dataset.select(left_out),
    )
