"""Test cases stay closed to whatever has seen one of them."""

import ast
from pathlib import Path

import numpy as np
import pytest

from tfgansynth.data.dataset import Case, Dataset
from tfgansynth.data.held_out import HeldOutTestSet, open_fold, shared_cases
from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError

PACKAGE = Path(__file__).parents[2] / "tfgansynth"


def case(name: str, grey: float) -> Case:
    return Case(name, np.full((2, 2), grey, np.float32), np.ones((2, 2), np.float32))


A, B, C = case("a", 1), case("b", 2), case("c", 3)
A_AGAIN = case("z", 1)
SEALED = HeldOutTestSet([A, B])


def test_unseen_cases_are_opened() -> None:
    seen = {"c": C.content_hash}
    opened = SEALED.open(seen, by="unet", allow_duplicates=False)
    assert [each.case_id for each in opened] == ["a", "b"]


@pytest.mark.parametrize(
    "seen",
    [
        {"c": C.content_hash, "b": B.content_hash},
        {"b": "content of before"},
        {"z": A_AGAIN.content_hash},
    ],
    ids=["the case", "its id", "its content"],
)
def test_seen_cases_stay_closed(seen: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"unet: has seen test cases \([ab]\)"):
        SEALED.open(seen, by="unet", allow_duplicates=False)


def test_only_duplicates_may_be_allowed() -> None:
    content = {"z": A_AGAIN.content_hash}
    assert SEALED.open(content, by="unet", allow_duplicates=True)
    with pytest.raises(InputError, match="has seen test cases"):
        SEALED.open({"a": A.content_hash}, by="unet", allow_duplicates=True)


def test_shared_cases_are_listed_by_our_ids() -> None:
    ours = {"a": "1", "b": "2", "c": "3"}
    theirs = {"a": "9", "x": "3"}
    assert shared_cases(ours, theirs, by_content=True) == ["a", "c"]
    assert shared_cases(ours, theirs, by_content=False) == ["a"]


def test_fold_is_open_but_for_its_test_cases() -> None:
    fold = Fold(number=2, training=("a",), reduced=(), validation=("b",), test=("c",))
    opened = open_fold(Dataset("data", "folder", (A, B, C)), fold, reduced=False)
    assert [each.case_id for each in opened.training] == ["a"]
    assert [each.case_id for each in opened.validation] == ["b"]
    assert opened.test.hashes == {"c": C.content_hash}
    assert len(opened.test) == 1
    reachable = [
        value
        for name in dir(opened.test)
        if not name.startswith("_")
        and not callable(value := getattr(opened.test, name))
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
    opened = open_fold(Dataset("data", "folder", (A, B, C)), fold, reduced=reduced)
    assert [each.case_id for each in opened.training] == [*training]
    assert [each.case_id for each in opened.unused] == [*unused]


def test_test_cases_are_opened_in_one_place_only() -> None:
    places = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and any(word.arg == "allow_duplicates" for word in node.keywords)
                and node.func.attr == "open"
            ) or (isinstance(node, ast.Attribute) and "SealedCases__" in node.attr):
                places.append(str(path.relative_to(PACKAGE)))
    assert places == ["experiment/final_evaluation.py"]
