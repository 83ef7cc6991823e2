"""The cross-validation split: the training, validation and test cases of folds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgansynth.config import DataConfig
from tfgansynth.errors import InputError
from tfgansynth.seeds import derive_seed


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """The case ids of one fold. Paper: IV-A.

    Attributes:
        number: 1 to the number of folds.
        training: All training cases.
        reduced: The training cases that the reduced data set keeps.
        validation: Cases for early stopping.
        test: Cases for the final evaluation only.
    """

    number: int
    training: tuple[str, ...]
    reduced: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def training_ids(self, *, reduced: bool) -> tuple[str, ...]:
        """Return the cases that this experiment may train on."""
        return self.reduced if reduced else self.training


def make_folds(
    case_ids: Sequence[str], config: DataConfig, seed: int
) -> tuple[Fold, ...]:
    """Split cases so that each is tested in exactly one fold. Paper: IV-A.

    247 is not a multiple of 3. The first fold tests 83 cases and trains on 144, the
    others test 82 and train on 145.

    Raises:
        InputError: There are too few cases for the split.
    """
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    shuffled = [str(case_id) for case_id in rng.permutation(sorted(case_ids))]
    tests = [list(part) for part in np.array_split(np.array(shuffled), config.folds)]
    n_training = len(shuffled) - max(map(len, tests)) - config.n_validation
    if n_training < 1 or not all(tests):
        raise InputError(
            f"{len(shuffled)} cases are too few for {config.folds} folds with "
            f"{config.n_validation} validation cases each: add cases, or lower "
            "--data.n-validation"
        )
    folds = []
    for number, test in enumerate(tests, start=1):
        rest = [case_id for case_id in shuffled if case_id not in set(test)]
        drawn = [str(case_id) for case_id in rng.permutation(rest)]
        training = drawn[config.n_validation :]
        folds.append(
            Fold(
                number=number,
                training=tuple(sorted(training)),
                # The beginning of a random order is a random draw.
                reduced=tuple(sorted(training[: config.n_reduced])),
                validation=tuple(sorted(drawn[: config.n_validation])),
                test=tuple(sorted(map(str, test))),
            )
        )
    return tuple(folds)


def folds_to_json(folds: Sequence[Fold]) -> dict[str, Any]:
    """Convert folds to the content of `splits.json`."""
    return {"folds": [dataclasses.asdict(fold) for fold in folds]}


def folds_from_json(content: Mapping[str, Any]) -> tuple[Fold, ...]:
    """Convert the content of `splits.json` to folds.

    Raises:
        InputError: `folds_to_json` does not write such content.
    """
    try:
        return tuple(
            Fold(
                number=entry["number"],
                training=_ids(entry["training"]),
                reduced=_ids(entry["reduced"]),
                validation=_ids(entry["validation"]),
                test=_ids(entry["test"]),
            )
            for entry in content["folds"]
        )
    except (KeyError, TypeError) as fault:
        raise InputError(
            f"splits.json: not a split of this program ({fault!r}); restore the file "
            "or start a new run folder"
        ) from fault


def _ids(entry: Any) -> tuple[str, ...]:
    # A string is a sequence of strings too, but its letters are not case ids.
    if isinstance(entry, str) or not all(isinstance(item, str) for item in entry):
        raise TypeError(f"expected a list of case ids, got {entry!r}")
    return tuple(entry)
