"""The cross-validation split: the training, validation and test cases of folds."""

import dataclasses
import functools
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from tfgansynth.config import (
    FEW_TRAINING,
    FEWEST_CASES,
    PAPER_REDUCED,
    PAPER_VALIDATION,
    VALIDATION_SHARE,
    Config,
    DataConfig,
)
from tfgansynth.data.dataset import CaseTable
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


def development_cases(
    case_ids: Sequence[str], n_development: int, table: CaseTable
) -> tuple[str, ...]:
    """Draw the cases on which settings may be tried, which no fold has.

    The draw depends on names, patients and groups alone: it is the same for each seed
    and each size of the images, and a larger number keeps what a smaller one draws.
    Patients are whole, so that there can be some cases less than asked for, and groups
    are in proportion.

    Returns:
        Sorted ids; none for 0.

    Raises:
        InputError: A single patient has more cases than are to be drawn.
    """
    if not n_development:
        return ()
    patients = _by_patient(case_ids, table)
    # Which cases are negatives may change with the size of the images.
    named = dataclasses.replace(table, negatives=())
    order = _in_proportion(sorted(patients, key=_draw), patients, named)
    taken: list[str] = []
    for patient in order:
        if len(taken) + len(patients[patient]) > n_development:
            break
        taken += patients[patient]
    if not taken:
        raise InputError(
            f"--data.n-development {n_development}: expected "
            f"{len(patients[order[0]])} or more: the first patient drawn has as many "
            "cases"
        )
    return tuple(sorted(taken))


def _draw(patient: str) -> str:
    return hashlib.sha256(f"development/{patient}".encode()).hexdigest()


def _by_patient(case_ids: Sequence[str], table: CaseTable) -> dict[str, list[str]]:
    patients: dict[str, list[str]] = defaultdict(list)
    for case_id in sorted(case_ids):
        patients[table.patients.get(case_id, case_id)].append(case_id)
    return patients


def validation_cases(n_cases: int, config: DataConfig) -> int:
    """How many validation cases a fold has where folds have so many cases in all.

    `auto` scales the paper's 20 down where they would leave less than its 30 for
    training: 20 of 75 cases or more, 4 of 30.
    """
    if config.n_validation != "auto":
        return config.n_validation
    rest = _not_tested(n_cases, config)
    share = round(VALIDATION_SHARE * rest)
    return min(PAPER_VALIDATION, max(1, share, rest - PAPER_REDUCED))


def make_folds(
    case_ids: Sequence[str], config: Config, table: CaseTable
) -> tuple[Fold, ...]:
    """Split cases so that each is tested in exactly one fold. Paper: IV-A.

    Development cases are left out. 247 is not a multiple of 3. The first fold tests 83
    cases and trains on 144, the others test 82 and train on 145. All cases of a patient
    are in one part of a fold, so that parts can have some cases less than asked for.
    Each part has the groups in proportion, and in each of these the negatives.

    Args:
        case_ids: The cases.
        config: Its `data`, `seed` and `reduced` determine the split.
        table: Patients and groups of the cases, and the negatives.

    Raises:
        InputError: There are too few cases, patients, members of a group or cases
            with a target.
    """
    data = config.data
    left_out = {*development_cases(case_ids, data.n_development, table)}
    case_ids = [case_id for case_id in case_ids if case_id not in left_out]
    n_cases, too_few = len(case_ids), functools.partial(_too_few, len(left_out))
    patients = _by_patient(case_ids, table)
    if found := [
        *_shortfalls(n_cases, config),
        *_patient_shortfalls(patients, table, data.folds),
    ]:
        raise too_few(n_cases, found)
    rng = np.random.default_rng(derive_seed(config.seed, "folds"))
    shuffled = [str(patient) for patient in rng.permutation(sorted(patients))]
    # A beginning of a random order is a random draw.
    order = _in_proportion(shuffled, patients, table)
    tests = []
    for n_left in range(data.folds, 0, -1):
        n_test = -(-sum(len(patients[each]) for each in order) // n_left)
        test, order = _take(order, patients, n_test, leave=n_left - 1)
        tests.append(test)
    folds = []
    for number, test in enumerate(tests, start=1):
        rest = [patient for patient in shuffled if patient not in set(test)]
        drawn = _in_proportion(
            [str(patient) for patient in rng.permutation(rest)], patients, table
        )
        n_validation = validation_cases(n_cases, data)
        validation, training = _take(drawn, patients, n_validation, leave=1)
        if not (validation and training):
            raise too_few(n_cases, [_few_patients(patients, data.folds)])
        reduced, _ = _take(training, patients, data.n_reduced, leave=0)
        parts = (training, reduced, validation, test)
        fold = Fold(number, *(_cases_of(part, patients) for part in parts))
        if config.reduced and len(fold.training) < data.n_reduced:
            raise too_few(n_cases, [_too_few_reduced(len(fold.training), data)])
        for part in (fold.training_ids(reduced=config.reduced), fold.validation):
            if not {*part} - {*table.negatives}:
                n_targets = len({*case_ids} - {*table.negatives})
                raise too_few(n_cases, [_few_targets(number, n_targets)])
        folds.append(fold)
    return tuple(folds)


_Patients = Mapping[str, Sequence[str]]
"""The cases of each patient."""


def _cases_of(part: Sequence[str], patients: _Patients) -> tuple[str, ...]:
    return tuple(sorted(case for patient in part for case in patients[patient]))


def _take(
    order: Sequence[str], patients: _Patients, n_cases: int, *, leave: int
) -> tuple[list[str], list[str]]:
    """Take patients from the beginning, as long as they have so many cases at most.

    Those with too many cases are passed over; if all have, the smallest is taken.

    Returns:
        Those taken, and the others, of which there are at least `leave`.
    """
    taken: list[str] = []
    most = len(order) - leave
    room = n_cases
    for patient in order:
        if len(patients[patient]) <= room and len(taken) < most:
            taken.append(patient)
            room -= len(patients[patient])
    if not taken and most > 0:
        taken = [min(order, key=lambda patient: len(patients[patient]))]
    chosen = set(taken)
    return taken, [patient for patient in order if patient not in chosen]


def _in_proportion(
    shuffled: Sequence[str], patients: _Patients, table: CaseTable
) -> list[str]:
    """Order patients so that each stretch has all groups in proportion.

    The negatives of a group are a group of their own. Those of one group keep their
    order. A patient with cases of several groups is of another group than those of only
    one of these.
    """
    members: dict[tuple[tuple[str, bool], ...], list[str]] = defaultdict(list)
    negatives = {*table.negatives}
    for patient in shuffled:
        found = {
            (table.groups.get(case_id, ""), case_id in negatives)
            for case_id in patients[patient]
        }
        members[tuple(sorted(found))].append(patient)
    places = {
        patient: (place + 0.5) / len(group)
        for group in members.values()
        for place, patient in enumerate(group)
    }
    return sorted(shuffled, key=places.__getitem__)


def _not_tested(n_cases: int, config: DataConfig) -> int:
    """Cases that the fold with the largest test set does not test."""
    return n_cases - -(-n_cases // config.folds)


def _shortfalls(n_cases: int, config: Config) -> list[str]:
    """All that so few cases lack, and what can be done."""
    data = config.data
    found = []
    rest, n_validation = _not_tested(n_cases, data), validation_cases(n_cases, data)
    n_training = max(0, rest - n_validation)
    if n_cases < FEWEST_CASES:
        least = (
            f"{FEWEST_CASES} are the least, add {FEWEST_CASES - n_cases} (of phantoms, "
            "by --data.phantoms)"
        )
        if n_cases >= data.folds and n_training:
            least += (
                f": a fold would have {n_cases - rest} test, {n_validation} validation "
                f"and {n_training} training cases"
            )
        found.append(least)
    if n_cases < data.folds:
        found.append(f"--data.folds {data.folds} needs as many to test")
    if not n_training:
        found.append(
            f"a fold has {rest} that it does not test, of which {n_validation} for "
            "validation (--data.n-validation) leave none for training"
        )
    if config.reduced and n_training < data.n_reduced:
        found.append(_too_few_reduced(n_training, data))
    return found


def _too_few_reduced(n_training: int, config: DataConfig) -> str:
    return (
        f"--reduced draws {config.n_reduced} of a fold's training cases, which are "
        f"{n_training} (leave out --reduced, or lower --data.n-reduced)"
    )


def _patient_shortfalls(
    patients: _Patients, table: CaseTable, n_folds: int
) -> list[str]:
    """What too few patients, and too few of a group, lack."""
    found = []
    if table.patients and len(patients) < max(n_folds, 3):
        found.append(_few_patients(patients, n_folds))
    members: dict[str, set[str]] = defaultdict(set)
    for patient, case_ids in patients.items():
        for case_id in case_ids:
            if group := table.groups.get(case_id):
                members[group].add(patient)
    for group, own in sorted(members.items()):
        if len(own) < n_folds:
            noun = "patients" if table.patients else "cases"
            found.append(
                f"group {group} has {len(own)} {noun}, less than --data.folds "
                f"{n_folds} (in cases.csv, join groups or remove the column)"
            )
    return found


def _few_targets(number: int, n_targets: int) -> str:
    return (
        f"{n_targets} of them have a target, and fold {number} would have none of these"
        " for training or for validation (raise --data.n-validation, or leave out "
        "negatives)"
    )


def _few_patients(patients: _Patients, n_folds: int) -> str:
    return (
        f"they are of {len(patients)} patients (cases.csv, --patient-pattern), and "
        f"each of {n_folds} folds needs own ones for test, validation and training"
    )


def _too_few(n_left_out: int, n_cases: int, found: Sequence[str]) -> InputError:
    without = f" (without the {n_left_out} of --data.n-development)"
    return InputError(
        f"{n_cases} cases{without if n_left_out else ''} are too few for this split: "
        f"{'; '.join(found)}"
    )


def describe_split(folds: Sequence[Fold], table: CaseTable, *, reduced: bool) -> str:
    """Say how many cases each part of a fold has, and what the paper's have."""
    n_validation = f"{_span([len(fold.validation) for fold in folds])} validation"
    if n_validation != f"{PAPER_VALIDATION} validation":
        n_validation += f" (the paper's: {PAPER_VALIDATION})"
    n_training = _span([len(fold.training_ids(reduced=reduced)) for fold in folds])
    if reduced:
        n_training += f" of {_span([len(fold.training) for fold in folds])}"
    cases = [case_id for fold in folds for case_id in fold.test]
    words = f"{len(cases)} cases"
    if table.patients:
        own = {table.patients.get(case_id, case_id) for case_id in cases}
        words += f" of {len(own)} patients, none in two parts,"
    if table.groups:
        words += f" by {len(set(table.groups.values()))} groups"
    return (
        f"{words} in {len(folds)} folds, each with "
        f"{_span([len(fold.test) for fold in folds])} test, {n_validation} "
        f"and {n_training} training cases"
    )


def few_training_cases(folds: Sequence[Fold], *, reduced: bool) -> str | None:
    """Warn of training sets so small that results depend on which cases they have."""
    counts = [len(fold.training_ids(reduced=reduced)) for fold in folds]
    if min(counts) >= FEW_TRAINING:
        return None
    return (
        f"a fold has only {_span(counts)} training cases: results depend on which, and "
        f"can change much with others ({FEW_TRAINING} or more are better)"
    )


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"
