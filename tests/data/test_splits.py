from itertools import combinations

import pytest

from tfgansynth.config import DataConfig
from tfgansynth.data.splits import Fold, make_folds
from tfgansynth.errors import InputError

PAPER = DataConfig()
IDS = tuple(f"JPCLN{number:03d}" for number in range(1, 248))


@pytest.fixture(scope="module")
def folds() -> tuple[Fold, ...]:
    return make_folds(IDS, PAPER, seed=0)


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
    fewer = make_folds(IDS, DataConfig(n_reduced=5), seed=0)
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
    assert make_folds(IDS, PAPER, seed=0) == make_folds(IDS, PAPER, seed=0)
    other = make_folds(IDS, PAPER, seed=1)
    for fold, changed in zip(make_folds(IDS, PAPER, seed=0), other, strict=True):
        assert set(fold.test) != set(changed.test)
        assert set(fold.validation) != set(changed.validation)
        assert set(fold.reduced) != set(changed.reduced)


def test_order_of_the_ids_does_not_matter(folds: tuple[Fold, ...]) -> None:
    assert make_folds(IDS[::-1], PAPER, seed=0) == folds
    assert make_folds([*IDS[100:], *IDS[:100]], PAPER, seed=0) == folds


def test_ids_stay_plain_strings(folds: tuple[Fold, ...]) -> None:
    # NumPy's own string type would end up in manifests.
    for fold in folds:
        for role in (fold.training, fold.reduced, fold.validation, fold.test):
            assert {type(case_id) for case_id in role} == {str}


def test_the_fewest_cases_leave_one_for_training() -> None:
    config = DataConfig(n_validation=2)
    # Tests of 2, 2 and 1: the larger ones leave 3 cases.
    folds = make_folds(IDS[:5], config, seed=0)
    assert [len(fold.training) for fold in folds] == [1, 1, 2]
    with pytest.raises(InputError, match="4 cases are too few for 3 folds with 2"):
        make_folds(IDS[:4], config, seed=0)


@pytest.mark.parametrize("n_cases", [0, 1, 2, 30])
def test_too_few_cases_are_refused(n_cases: int) -> None:
    with pytest.raises(InputError, match=rf"^{n_cases} cases are too few.*20 valid"):
        make_folds(IDS[:n_cases], PAPER, seed=0)


def test_fewer_cases_than_folds_are_refused() -> None:
    with pytest.raises(InputError, match="2 cases are too few for 3 folds"):
        make_folds(IDS[:2], DataConfig(n_validation=0), seed=0)


def test_a_small_fold_keeps_all_its_training_cases() -> None:
    for fold in make_folds(IDS[:40], DataConfig(n_validation=4), seed=0):
        assert fold.reduced == fold.training
