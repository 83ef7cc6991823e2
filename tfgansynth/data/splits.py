"""The cross-validation split: the training, validation and test cases of folds."""

import dataclasses
from collections.abc import Sequence

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
    n_cases, n_folds = len(case_ids), config.folds
    if n_cases < n_folds or n_cases - -(-n_cases // n_folds) <= config.n_validation:
        raise InputError(
            f"{n_cases} cases are too few for {n_folds} folds with "
            f"{config.n_validation} validation cases each: add cases (of phantoms by "
            "--data.phantoms), or lower --data.folds or --data.n-validation"
        )
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    shuffled = [str(case_id) for case_id in rng.permutation(sorted(case_ids))]
    tests = [list(part) for part in np.array_split(np.array(shuffled), n_folds)]
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
