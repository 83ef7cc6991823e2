import time

import pytest

from tests.data.copies.alterations import gamma, jpeg, mirrored, turned
from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.data.copies.duplicates import (
    Crossing,
    DuplicatePair,
    across_split,
    find_duplicates,
)
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.data.splits import Fold


@pytest.fixture(scope="module")
def films() -> dict[str, FloatArray]:
    """Phantoms as files would hold them, 256 px."""
    return {raw.case_id: raw.image for raw in make_phantoms(8, seed=0)}


def test_altered_copies_are_near_and_named_after_their_originals(
    films: dict[str, FloatArray],
) -> None:
    copies = {f"{case_id}-copy": jpeg(film, 30) for case_id, film in films.items()}

    pairs = find_duplicates({**films, **copies})

    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [
        (case_id, f"{case_id}-copy", "near") for case_id in films
    ]


@pytest.mark.slow
def test_half_as_many_as_the_papers_have_no_copies_and_take_seconds() -> None:
    films = {raw.case_id: raw.image for raw in make_phantoms(124, seed=0, size=128)}

    start = time.process_time()
    pairs = find_duplicates(films)

    assert pairs == ()
    # On two cores this is at most 10 seconds, if nothing else runs.
    assert time.process_time() - start < 15


def test_equal_images_are_exact_and_paired_with_the_first(
    films: dict[str, FloatArray],
) -> None:
    one = next(iter(films.values()))

    pairs = find_duplicates({**films, "x": one.copy(), "y": one.copy()})

    first = next(iter(films))
    assert pairs == (
        DuplicatePair(first, "x", "exact"),
        DuplicatePair(first, "y", "exact"),
    )


def test_near_pairs_say_how_they_differ(films: dict[str, FloatArray]) -> None:
    film = next(iter(films.values()))

    (copy,) = find_duplicates({"a": film, "b": 255 - turned(mirrored(film), 1)})
    (plain,) = find_duplicates({"a": film, "b": gamma(film, 2)})

    assert str(copy) == (
        "a is nearly the same image (similarity 1.00, inverted, mirrored, turned by "
        "90 degrees) as b"
    )
    assert not plain.alterations
    assert str(plain).startswith("a is nearly the same image (similarity 0.9")


def test_an_exact_pair_in_words() -> None:
    assert str(DuplicatePair("a", "b", "exact")) == "a is the same image as b"


def test_images_of_other_sizes_are_compared(films: dict[str, FloatArray]) -> None:
    film = next(iter(films.values()))

    (pair,) = find_duplicates({"large": film, "small": resize_area(film, 100)})

    assert pair.kind == "near"


FOLDS = (
    Fold(1, training=("a", "b"), reduced=("a",), validation=("c",), test=("d", "e")),
    Fold(2, training=("d", "e"), reduced=("d",), validation=("c",), test=("a", "b")),
)


def test_pairs_within_a_part_are_not_separated() -> None:
    pairs = [DuplicatePair("a", "b", "exact"), DuplicatePair("d", "e", "near", 0.9)]

    assert across_split(pairs, FOLDS) == ()


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        ("a", "d", [("training", "test"), ("test", "training")]),
        ("c", "b", [("validation", "training"), ("validation", "test")]),
        ("e", "c", [("test", "validation"), ("training", "validation")]),
    ],
)
def test_pairs_across_the_split_name_fold_and_parts(
    first: str, second: str, parts: list[tuple[str, str]]
) -> None:
    pair = DuplicatePair(first, second, "exact")

    crossings = across_split([DuplicatePair("a", "b", "exact"), pair], FOLDS)

    assert crossings == (Crossing(pair, 1, parts[0]), Crossing(pair, 2, parts[1]))
    assert str(crossings[0]) == (
        f"{first} is the same image as {second} ({parts[0][0]} and {parts[0][1]} of "
        "fold 1)"
    )


def test_a_pair_may_be_separated_in_one_fold_only() -> None:
    together = Fold(3, training=("a", "d"), reduced=(), validation=("c",), test=("b",))
    pair = DuplicatePair("a", "d", "near", 0.9)

    crossings = across_split([pair], [together, FOLDS[0]])

    assert [crossing.fold for crossing in crossings] == [1]
