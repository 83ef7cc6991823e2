import dataclasses
import hashlib
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import Config, DataConfig
from tfgansynth.data.copies.duplicates import DuplicatePair, across_split
from tfgansynth.data.dataset import CaseTable, hash_of_all
from tfgansynth.data.splits import (
    Fold,
    describe_split,
    development_cases,
    few_training_cases,
    make_folds,
    validation_cases,
)
from tfgansynth.errors import InputError
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.runs import CaseList

IDS = tuple(f"JPCLN{number:03d}" for number in range(1, 248))
NOTHING = CaseTable()


def split(
    n_cases: int,
    table: CaseTable = NOTHING,
    *,
    seed: int = 0,
    reduced: bool = False,
    **numbers: Any,
) -> tuple[Fold, ...]:
    config = Config(seed=seed, reduced=reduced, data=DataConfig(**numbers))
    return make_folds(IDS[:n_cases], config, table)


@pytest.fixture(scope="module")
def folds() -> tuple[Fold, ...]:
    return split(247)


def test_every_case_is_tested_exactly_once(folds: tuple[Fold, ...]) -> None:
    tested = [case_id for fold in folds for case_id in fold.test]
    assert sorted(tested) == sorted(IDS)


def test_247_cases_split_as_in_the_paper(folds: tuple[Fold, ...]) -> None:
    assert [fold.number for fold in folds] == [1, 2, 3]
    assert [len(fold.test) for fold in folds] == [83, 82, 82]
    assert [len(fold.validation) for fold in folds] == [20, 20, 20]
    assert [len(fold.training) for fold in folds] == [144, 145, 145]
    assert [len(fold.reduced) for fold in folds] == [30, 30, 30]


def test_no_case_has_two_roles_in_a_fold(folds: tuple[Fold, ...]) -> None:
    for fold in folds:
        roles = [*fold.training, *fold.validation, *fold.test]
        assert sorted(roles) == sorted(IDS)


def test_reduced_cases_are_training_cases(folds: tuple[Fold, ...]) -> None:
    for fold in folds:
        assert set(fold.reduced) < set(fold.training)
        assert len(set(fold.reduced)) == 30
        assert fold.training_ids(reduced=True) == fold.reduced
        assert fold.training_ids(reduced=False) == fold.training


def test_reduction_changes_nothing_else(folds: tuple[Fold, ...]) -> None:
    fewer = split(247, n_reduced=5)
    for fold, other in zip(folds, fewer, strict=True):
        assert set(other.reduced) < set(fold.reduced)
        assert (other.training, other.validation, other.test) == (
            fold.training,
            fold.validation,
            fold.test,
        )


def test_cases_are_drawn_at_random(folds: tuple[Fold, ...]) -> None:
    ordered = sorted(IDS)
    for fold in folds:
        for role in (fold.test, fold.validation, fold.reduced):
            places = [ordered.index(case_id) for case_id in role]
            # Cut from the list, a role would span about as many places as it has.
            assert max(places) - min(places) > 180
    for one, other in combinations(folds, 2):
        assert len({*one.validation} & {*other.validation}) < 10
        assert len({*one.reduced} & {*other.reduced}) < 20


def test_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    assert split(247) == split(247)
    for fold, changed in zip(split(247), split(247, seed=1), strict=True):
        assert set(fold.test) != set(changed.test)
        assert set(fold.validation) != set(changed.validation)
        assert set(fold.reduced) != set(changed.reduced)


def test_order_of_the_ids_does_not_matter(folds: tuple[Fold, ...]) -> None:
    assert make_folds(IDS[::-1], Config(), NOTHING) == folds
    assert make_folds([*IDS[100:], *IDS[:100]], Config(), NOTHING) == folds


def test_ids_stay_plain_strings(folds: tuple[Fold, ...]) -> None:
    # NumPy's own string type would end up in manifests.
    for fold in folds:
        for role in (fold.training, fold.reduced, fold.validation, fold.test):
            assert {type(case_id) for case_id in role} == {str}


@pytest.mark.parametrize(
    ("n_cases", "numbers", "seed", "digest"),
    [
        (247, {}, 0, "9e01d8434aa11450"),
        (247, {}, 7, "bb3cdb409cbf3067"),
        (102, {}, 0, "1ed6a74d4763b4c3"),
        (75, {}, 3, "23a33d3feb40ed1d"),
        (30, {"n_validation": 4}, 0, "e48204a1693ee07a"),
        (12, {"n_validation": 2, "folds": 2}, 1, "74c0b56000be95e2"),
    ],
)
def test_splits_stay_what_they_were(
    n_cases: int, numbers: dict[str, int], seed: int, digest: str
) -> None:
    ids = [f"case-{number:03d}" for number in range(n_cases)]
    config = Config(seed=seed, data=DataConfig(**numbers))  # type: ignore[arg-type]
    folds = make_folds(ids, config, NOTHING)
    text = json.dumps([dataclasses.astuple(fold) for fold in folds])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("n_cases", "test", "n_validation", "training"),
    [
        (12, [4, 4, 4], 2, [6, 6, 6]),
        (30, [10, 10, 10], 4, [16, 16, 16]),
        (32, [11, 11, 10], 4, [17, 17, 18]),
        (40, [14, 13, 13], 5, [21, 22, 22]),
        (60, [20, 20, 20], 10, [30, 30, 30]),
        (74, [25, 25, 24], 19, [30, 30, 31]),
        (75, [25, 25, 25], 20, [30, 30, 30]),
        (102, [34, 34, 34], 20, [48, 48, 48]),
    ],
)
def test_validation_scales_with_the_cases(
    n_cases: int, test: list[int], n_validation: int, training: list[int]
) -> None:
    folds = split(n_cases)
    assert validation_cases(n_cases, DataConfig()) == n_validation
    assert [len(fold.test) for fold in folds] == test
    assert [len(fold.validation) for fold in folds] == [n_validation] * 3
    assert [len(fold.training) for fold in folds] == training


def test_stated_numbers_are_kept() -> None:
    assert {len(fold.validation) for fold in split(30, n_validation=7)} == {7}
    # The larger tests leave 8 cases.
    assert [len(f.training) for f in split(12, n_validation=7)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("n_cases", "choices", "words"),
    [
        (
            5,
            {},
            "^5 cases are too few for this split: 12 are the least, add 7 .*: a fold "
            "would have 2 test, 1 validation and 2 training cases$",
        ),
        (
            11,
            {},
            "12 are the least, add 1 .*: a fold .* 4 test, 1 val.* and 6 training",
        ),
        (
            5,
            {"folds": 6, "n_validation": 20, "reduced": True},
            "5 cases are too few for this split: 12 are the least, add 7 .*; "
            "--data.folds 6 needs as many to test; a fold has 4 that it does not "
            r"test, of which 20 for validation \(--data.n-validation\) leave none for "
            "training; --reduced draws 30 of a fold's training cases, which are 0",
        ),
        (
            30,
            {"n_validation": 20},
            "a fold has 20 that it does not test, of which 20 for validation",
        ),
        (
            40,
            {"reduced": True},
            "40 cases are too few for this split: --reduced draws 30 of a fold's "
            r"training cases, which are 21 \(leave out --reduced, or lower",
        ),
        (
            0,
            {},
            "0 cases are too few.*12 are the least, add 12 .*; --data.folds 3 needs",
        ),
    ],
)
def test_all_that_is_missing_is_named_at_once(
    n_cases: int, choices: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        split(n_cases, **choices)


def test_a_small_fold_keeps_all_its_training_cases() -> None:
    for fold in split(40):
        assert fold.reduced == fold.training


def test_few_training_cases_are_warned_of() -> None:
    assert few_training_cases(split(18), reduced=False) is None
    words = few_training_cases(split(17), reduced=False)
    assert words
    assert words.startswith("a fold has only 9-10 training cases: ")
    words = few_training_cases(split(247, n_reduced=5), reduced=True)
    assert words
    assert words.startswith("a fold has only 5 training cases: ")


def test_the_split_is_said() -> None:
    assert describe_split(split(247), NOTHING, reduced=False) == (
        "247 cases in 3 folds, each with 82-83 test, 20 validation and 144-145 "
        "training cases"
    )
    assert describe_split(
        split(32, pairs(32), n_reduced=9), pairs(32), reduced=True
    ) == (
        "32 cases of 16 patients, none in two parts, in 3 folds, each with 10-12 test, "
        "4 validation (the paper's: 20) and 8 of 16-18 training cases"
    )


def test_development_cases_are_drawn_by_name_and_not_by_seed() -> None:
    drawn = development_cases(IDS, 75, NOTHING)
    assert len(drawn) == 75
    assert [*drawn] == sorted(drawn)
    assert development_cases(IDS[::-1], 75, NOTHING) == drawn
    assert development_cases(IDS, 0, NOTHING) == ()
    assert {*development_cases(IDS, 30, NOTHING)} < {*drawn}
    # A beginning of the names would not be a random draw.
    assert IDS.index(drawn[0]) < 20
    assert IDS.index(drawn[-1]) > 227
    # At another size of the images, others may be negatives.
    table = CaseTable(negatives=IDS[:100])
    assert development_cases(IDS, 75, table) == drawn


@pytest.mark.parametrize("seed", range(3))
def test_no_fold_of_any_seed_has_a_development_case(seed: int) -> None:
    drawn = {*development_cases(IDS, 75, NOTHING)}
    folds = split(247, seed=seed, reduced=True, n_development=75)
    require_whole(folds, NOTHING)
    assert [len(fold.test) for fold in folds] == [58, 57, 57]
    assert [len(fold.training) for fold in folds] == [94, 95, 95]
    for fold in folds:
        assert {*fold.training, *fold.validation, *fold.test} == {*IDS} - drawn
    # They are as the paper's reduced experiment needs them.
    config = Config(seed=seed, reduced=True)
    (own, *_) = make_folds(sorted(drawn), config, NOTHING)
    assert (len(own.reduced), len(own.validation), len(own.test)) == (30, 20, 25)


def test_development_cases_have_whole_patients_and_groups_in_proportion() -> None:
    table = pairs(40, ("a", "a", "b"))
    for n_development in (12, 13, 18):
        drawn = development_cases(IDS[:40], n_development, table)
        owners = Counter(table.patients.get(case, case) for case in drawn)
        assert {*owners.values()} == {2}
        assert len(drawn) == n_development - n_development % 2
        share = sum(table.groups[case] == "b" for case in drawn)
        assert abs(share - len(drawn) / 3) < 2.1
        rest = {*IDS[:40]} - {*drawn}
        folds = split(40, table, n_development=n_development)
        assert {case for fold in folds for case in fold.test} == rest
    with pytest.raises(InputError, match="n-development 1: expected 2 or more"):
        development_cases(IDS[:40], 1, table)


def test_a_copy_of_a_development_case_crosses_the_split() -> None:
    drawn = development_cases(IDS, 75, NOTHING)
    folds = split(247, n_development=75)
    inside = DuplicatePair(drawn[0], drawn[1], "near")
    across = DuplicatePair(drawn[0], folds[0].test[0], "near")
    found = across_split([inside, across], folds)
    assert {crossing.pair for crossing in found} == {across}
    assert found[0].parts == ("development", "test")


def test_too_few_beside_the_development_cases_is_said() -> None:
    words = r"^11 cases \(without the 1 of --data.n-development\) are too few"
    with pytest.raises(InputError, match=words):
        split(12, n_development=1)


OWNERS = {case: f"p{number // 2}" for number, case in enumerate(IDS[:40])}


def pairs(n_cases: int, groups: tuple[str, ...] = ()) -> CaseTable:
    """Two cases a patient, patients of groups in turn."""
    patients = {case: f"p{number // 2}" for number, case in enumerate(IDS[:n_cases])}
    of_case = {
        case: groups[number // 2 % len(groups)]
        for number, case in enumerate(IDS[:n_cases])
        if groups
    }
    return CaseTable.of(patients, of_case)


def require_whole(folds: tuple[Fold, ...], table: CaseTable) -> None:
    """Every case is tested once, and no patient is in two parts of a fold."""
    tested = Counter(case for fold in folds for case in fold.test)
    assert set(tested.values()) == {1}
    for fold in folds:
        roles = [*fold.training, *fold.validation, *fold.test]
        assert sorted(roles) == sorted(tested)
        unused = set(fold.training) - set(fold.reduced)
        parts = [fold.reduced, unused, fold.validation, fold.test]
        owners = [{table.patients.get(c, c) for c in part} for part in parts]
        assert sum(map(len, owners)) == len(set.union(*owners))
        assert fold.training
        assert fold.validation


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_cases", [12, 30, 40, 102])
def test_patients_are_in_one_part_of_a_fold(n_cases: int, seed: int) -> None:
    table = pairs(n_cases)
    folds = split(n_cases, table, seed=seed, n_reduced=4)
    require_whole(folds, table)
    n_validation = validation_cases(n_cases, DataConfig())
    for fold in folds:
        assert n_cases / 3 - 2 < len(fold.test) < n_cases / 3 + 2
        assert len(fold.validation) == n_validation - n_validation % 2
        assert len(fold.reduced) == 4
    assert folds != split(n_cases, seed=seed, n_reduced=4)


def test_a_case_each_is_the_split_without_patients() -> None:
    patients = {case: f"p{number}" for number, case in enumerate(reversed(IDS))}
    assert split(247, CaseTable.of(patients, {})) == split(247)
    # Other names for the same patients change nothing.
    named = {case: f"x{-int(who[1:])}" for case, who in OWNERS.items()}
    assert CaseTable.of(named, {}) == pairs(40)


@pytest.mark.parametrize("sizes", [(20, 5, 5), (5, 20, 5), (10, 10, 10), (1, 1, 28)])
def test_large_patients_fit_in_some_fold(sizes: tuple[int, ...]) -> None:
    owners = [f"p{number}" for number, size in enumerate(sizes) for _ in range(size)]
    table = CaseTable.of(dict(zip(IDS, owners, strict=False)), {})
    for seed in range(5):
        folds = split(30, table, seed=seed)
        require_whole(folds, table)
        assert sorted(len(fold.test) for fold in folds) == sorted(sizes)


@pytest.mark.parametrize(("n_patients", "n_folds"), [(2, 3), (2, 2), (3, 2)])
def test_too_few_patients_are_refused(n_patients: int, n_folds: int) -> None:
    patients = {case: f"p{n % n_patients}" for n, case in enumerate(IDS[:30])}
    words = rf"^30 .*: they are of {n_patients} patients .*each of {n_folds} folds"
    with pytest.raises(InputError, match=words):
        split(30, CaseTable.of(patients, {}), folds=n_folds)


@pytest.mark.parametrize("n_cases", [30, 40, 102])
@pytest.mark.parametrize("of_patients", [False, True])
def test_groups_are_in_all_parts_in_proportion(n_cases: int, of_patients: bool) -> None:
    groups = ("a", "a", "b")
    table = pairs(n_cases, groups)
    if not of_patients:
        table = CaseTable(
            groups={c: groups[n % 3] for n, c in enumerate(IDS[:n_cases])}
        )
    for seed in range(5):
        folds = split(n_cases, table, seed=seed, n_reduced=6)
        require_whole(folds, table)
        for fold in folds:
            for part in (fold.test, fold.validation, fold.training, fold.reduced):
                share = sum(table.groups[case] == "b" for case in part)
                # As near to a third as whole cases, or whole patients, come.
                assert abs(share - len(part) / 3) < (2.1 if of_patients else 1.1)


def test_a_group_smaller_than_the_folds_is_refused() -> None:
    groups = dict.fromkeys(IDS[:30], "common") | dict.fromkeys(IDS[:2], "rare")
    words = r"group rare has 2 cases, less than --data.folds 3 \(in cases.csv, join"
    with pytest.raises(InputError, match=words):
        split(30, CaseTable(groups=groups))
    table = dataclasses.replace(pairs(30), groups=groups | {IDS[2]: "rare"})
    with pytest.raises(InputError, match="group rare has 2 patients, less than"):
        split(30, table)
    # Without a group is no group.
    split(30, CaseTable(groups={case: groups[case] for case in IDS[2:30]}))


@pytest.mark.parametrize("n_cases", [30, 40, 102])
@pytest.mark.parametrize("of_patients", [False, True])
def test_negatives_are_in_all_parts_in_proportion(
    n_cases: int, of_patients: bool
) -> None:
    table = pairs(n_cases) if of_patients else NOTHING
    size = 2 if of_patients else 1
    own = [case for n, case in enumerate(IDS[:n_cases]) if n // size % 4]
    table = dataclasses.replace(table, negatives=tuple(own))
    for seed in range(5):
        folds = split(n_cases, table, seed=seed, n_reduced=8, n_validation=8)
        require_whole(folds, table)
        for fold in folds:
            for part in (fold.test, fold.validation, fold.training, fold.reduced):
                n_targets = len({*part} - {*own})
                assert n_targets > 0
                # As near to a quarter as whole cases, or whole patients, come.
                assert abs(n_targets - len(part) / 4) < 1.1 * size


def test_negatives_of_each_group_are_in_proportion() -> None:
    groups = dict(zip(IDS[:48], "aaab" * 12, strict=True))
    own = tuple(case for n, case in enumerate(IDS[:48]) if n // 4 % 2)
    for fold in split(48, CaseTable(groups=groups, negatives=own)):
        found = Counter((groups[case], case in own) for case in fold.test)
        wanted = {("a", False): 6, ("a", True): 6, ("b", False): 2, ("b", True): 2}
        assert found == wanted


def test_a_part_without_any_target_is_refused() -> None:
    words = "^30 .*: 1 of them have a target, and fold 1 would have none of these for"
    with pytest.raises(InputError, match=words):
        split(30, CaseTable(negatives=IDS[1:30]))
    # Without --reduced, the reduced training cases are not used.
    table = CaseTable(negatives=IDS[12:30])
    assert split(30, table, n_reduced=1)


def test_a_list_of_cases_gives_the_split_with_negatives_again() -> None:
    table = dataclasses.replace(pairs(30), negatives=IDS[:9])
    content = to_json(CaseList(dict.fromkeys(IDS[:30], "00"), table))
    again = from_json(CaseList, content, Path("cases.json"))
    assert again.table == table
    assert split(30, again.table) == split(30, table) != split(30, pairs(30))
    # A list without negatives is as it was.
    assert to_json(CaseList({}, pairs(30)))["table"].keys() == {"patients", "groups"}


def test_negatives_do_not_change_what_names_a_data_set() -> None:
    for table in (NOTHING, pairs(30, ("a", "b"))):
        whole = dataclasses.replace(table, negatives=IDS[:9])
        assert hash_of_all({"a": "00"}, whole) == hash_of_all({"a": "00"}, table)
