"""Test cases are not released to what was made from one of them."""

import ast
from pathlib import Path

import numpy as np
import pytest

from tfgansynth.data.dataset import (
    Case,
    CaseTable,
    Dataset,
    UnlabelledImage,
    case_hashes,
    shared_cases,
)
from tfgansynth.data.held_out import HeldOutTestSet, hash_fold, select_fold
from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError

PACKAGE = Path(__file__).parents[2] / "tfgansynth"


def case(name: str, grey: float) -> Case:
    return Case(name, np.full((2, 2), grey, np.float32), np.ones((2, 2), np.float32))


A, B, C = case("a", 1), case("b", 2), case("c", 3)
A_AGAIN = case("z", 1)
TEST_SET = HeldOutTestSet([A, B])


def test_unused_cases_are_released() -> None:
    used = {"c": C.content_hash}
    found = TEST_SET.release(used, to="unet", allow_duplicates=False)
    assert [each.case_id for each in found] == ["a", "b"]


@pytest.mark.parametrize(
    "used",
    [
        {"c": C.content_hash, "b": B.content_hash},
        {"b": "earlier content"},
        {"z": A_AGAIN.content_hash},
    ],
    ids=["the case", "its id", "its content"],
)
def test_used_cases_are_not_released(used: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"unet: was made from test cases \([ab]\)"):
        TEST_SET.release(used, to="unet", allow_duplicates=False)


def test_only_duplicates_may_be_allowed() -> None:
    content = {"z": A_AGAIN.content_hash}
    assert TEST_SET.release(content, to="unet", allow_duplicates=True)
    with pytest.raises(InputError, match="was made from test cases"):
        TEST_SET.release({"a": A.content_hash}, to="unet", allow_duplicates=True)


def test_a_fold_shows_all_but_its_test_cases() -> None:
    fold = Fold(number=2, training=("a",), reduced=(), validation=("b",), test=("c",))
    found = select_fold(Dataset("data", "folder", (A, B, C)), fold, reduced=False)
    assert [each.case_id for each in found.training] == ["a"]
    assert [each.case_id for each in found.validation] == ["b"]
    assert found.test.hashes == {"c": C.content_hash}
    assert len(found.test) == 1
    reachable = [
        value
        for name in dir(found.test)
        if not name.startswith("_") and not callable(value := getattr(found.test, name))
    ]
    assert reachable == [{"c": C.content_hash}]


@pytest.mark.parametrize(
    ("reduced", "training", "unused"), [(True, "b", "ac"), (False, "abc", "")]
)
def test_cases_that_the_reduced_set_leaves_out_are_unused(
    reduced: bool, training: str, unused: str
) -> None:
    fold = Fold(
        number=1, training=("a", "b", "c"), reduced=("b",), validation=(), test=()
    )
    found = select_fold(Dataset("data", "folder", (A, B, C)), fold, reduced=reduced)
    assert [each.case_id for each in found.training] == [*training]
    assert [each.case_id for each in found.unused] == [*unused]


def test_only_final_evaluations_release_test_cases() -> None:
    places = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and any(word.arg == "allow_duplicates" for word in node.keywords)
                and node.func.attr == "release"
            ) or (isinstance(node, ast.Attribute) and "HeldOutTestSet__" in node.attr):
                places.append(str(path.relative_to(PACKAGE)))
    assert sorted(places) == ["api.py", "experiment/stages/compute.py"]


def test_shared_cases_are_listed_by_our_ids() -> None:
    ours = {"a": "1", "b": "2", "c": "3"}
    theirs = {"a": "9", "x": "3"}
    assert shared_cases(ours, theirs, by_content=True) == ["a", "c"]
    assert shared_cases(ours, theirs, by_content=False) == ["a"]


def test_no_unlabelled_image_is_of_a_patient_who_is_held_out() -> None:
    images = tuple(UnlabelledImage(name, A.image) for name in ("x", "y", "z"))
    owners = {"a": "1", "b": "2", "c": "3", "x": "1", "y": "3"}
    table = CaseTable.of(owners, {}, "xyz")
    dataset = Dataset("data", "folder", (A, B, C), table=table, unlabelled=images)
    hashes = case_hashes(dataset.cases), case_hashes(images)
    expected = {"a": ["y", "z"], "b": ["x", "y", "z"], "c": ["x", "z"]}
    for test, names in expected.items():
        others = tuple(name for name in "abc" if name != test)
        for held_out in ({"test": (test,)}, {"validation": (test,)}):
            parts = {"validation": (), "test": (), **held_out}
            fold = Fold(1, others, others[:1], **parts)
            found = select_fold(dataset, fold, reduced=True)
            hashed = hash_fold(
                fold, hashes[0], reduced=True, unlabelled=hashes[1], table=table
            )
            # Left-out cases are learned from as if they had no masks either.
            assert [*hashed.unlabelled] == [others[1], *names]
            assert case_hashes(found.unlabelled) == hashed.unlabelled
