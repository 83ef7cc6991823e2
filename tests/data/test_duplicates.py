import functools
import itertools
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, resize_area
from tfgansynth.data.duplicates import (
    Crossing,
    DuplicatePair,
    across_split,
    find_duplicates,
)
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.data.splits import Fold

Alteration = Callable[[FloatArray], FloatArray]


@functools.cache
def phantoms(seed: int) -> dict[str, FloatArray]:
    """Phantoms as files would hold them, 256 px."""
    return {raw.case_id: raw.image for raw in make_phantoms(30, seed=seed)}


@pytest.fixture
def films() -> dict[str, FloatArray]:
    return dict(itertools.islice(phantoms(0).items(), 12))


def at(size: int, films: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {case_id: resize_area(film, size) for case_id, film in films.items()}


def grey(film: NDArray[np.floating[Any]]) -> ByteArray:
    return np.asarray(np.clip(np.rint(film), 0, 255), np.uint8)


def decoded(pixels: NDArray[np.generic]) -> FloatArray:
    return np.asarray(pixels, np.float32)


def jpeg(film: FloatArray, quality: int) -> FloatArray:
    _, code = cv2.imencode(".jpg", grey(film), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.float32)


def halved(film: FloatArray) -> FloatArray:
    side = len(film)
    small = resize_area(film, side // 2)
    return decoded(grey(decoded(cv2.resize(small, (side, side)))))


def exposed(film: FloatArray, contrast: float, brightness: float) -> FloatArray:
    return decoded(grey(contrast * (film - 128) + 128 + brightness))


def gamma(film: FloatArray, exponent: float) -> FloatArray:
    return decoded(grey(255 * (film / 255) ** exponent))


def noisy(film: FloatArray) -> FloatArray:
    noise = np.random.default_rng(1).normal(0, 5, film.shape)
    return decoded(grey(film + noise))


def shifted(film: FloatArray) -> FloatArray:
    """Three percent of the side, with black where nothing is."""
    pixels = round(0.03 * len(film))
    moved = np.zeros_like(film)
    moved[pixels:, :-pixels] = film[:-pixels, pixels:]
    return moved


def cropped(film: FloatArray) -> FloatArray:
    """Three percent of the side less at each edge."""
    pixels = round(0.03 * len(film))
    inner = film[pixels:-pixels, pixels:-pixels]
    return decoded(cv2.resize(inner, film.shape))


def turned(film: FloatArray, degrees: float) -> FloatArray:
    center = ((len(film) - 1) / 2,) * 2
    warp = cv2.getRotationMatrix2D(center, degrees, 1)
    return decoded(cv2.warpAffine(film, warp, film.shape))


def marked(film: FloatArray) -> FloatArray:
    copy = film.copy()
    side = len(film) // 10
    copy[side : 2 * side, 3 * side : 4 * side] = 255
    return copy


def lettered(film: FloatArray) -> FloatArray:
    place = (10, len(film) - 20)
    written = cv2.putText(
        grey(film), "L 12.03. PA", place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2
    )
    return decoded(written)


def equalized(film: FloatArray) -> FloatArray:
    return decoded(cv2.equalizeHist(grey(film)))


def mirrored(film: FloatArray) -> FloatArray:
    return film[:, ::-1].copy()


ALTERATIONS: dict[str, Alteration] = {
    "jpeg, quality 90": lambda film: jpeg(film, 90),
    "jpeg, quality 50": lambda film: jpeg(film, 50),
    "half the size and back": halved,
    "brighter": lambda film: exposed(film, 1, 40),
    "darker": lambda film: exposed(film, 1, -40),
    "less contrast": lambda film: exposed(film, 0.6, 0),
    "more contrast": lambda film: exposed(film, 1.5, 0),
    "gamma 0.5": lambda film: gamma(film, 0.5),
    "gamma 2": lambda film: gamma(film, 2),
    "noise of 5 grey levels": noisy,
    "shifted by 3 %": shifted,
    "cropped by 3 %": cropped,
    "turned by 1 degree": lambda film: turned(film, 1),
    "turned by -2 degrees": lambda film: turned(film, -2),
    "a marker": marked,
    "letters": lettered,
    "histogram equalized": equalized,
    "mirrored and cropped": lambda film: mirrored(cropped(film)),
}


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_altered_copies_are_found_and_nothing_else(
    films: dict[str, FloatArray], alteration: Alteration
) -> None:
    copies = {f"{case_id}-copy": alteration(film) for case_id, film in films.items()}

    pairs = find_duplicates({**at(128, films), **at(128, copies)})

    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [
        (case_id, f"{case_id}-copy", "near") for case_id in films
    ]
    # With room on both sides of 0.8: unlike phantoms stay below 0.75.
    assert min(pair.similarity for pair in pairs) > 0.84


@pytest.mark.parametrize("alteration", ["jpeg, quality 50", "gamma 2", "brighter"])
def test_very_small_copies_are_found(
    films: dict[str, FloatArray], alteration: str
) -> None:
    case_id, film = next(iter(films.items()))
    copy = ALTERATIONS[alteration](film)

    (pair,) = find_duplicates(at(32, {**films, "copy": copy}))

    assert (pair.first, pair.second, pair.kind) == (case_id, "copy", "near")


@pytest.mark.parametrize(
    ("seed", "size"), [(0, 32), (0, 48), (0, 64), (0, 128), (0, 256), (1, 128)]
)
def test_phantoms_are_not_copies_of_each_other(seed: int, size: int) -> None:
    assert find_duplicates(at(size, phantoms(seed))) == ()


def test_a_set_as_large_as_the_papers_has_no_copies_and_takes_seconds() -> None:
    films = {raw.case_id: raw.image for raw in make_phantoms(247, seed=0, size=64)}

    start = time.monotonic()
    pairs = find_duplicates(films)

    assert pairs == ()
    assert time.monotonic() - start < 20


def test_equal_images_are_exact_and_paired_with_the_first(
    films: dict[str, FloatArray],
) -> None:
    images = at(64, films)
    one = next(iter(images.values()))

    pairs = find_duplicates({**images, "x": one.copy(), "y": one.copy()})

    first = next(iter(images))
    assert pairs == (
        DuplicatePair(first, "x", "exact"),
        DuplicatePair(first, "y", "exact"),
    )


def test_a_mirror_image_is_reported_as_one(films: dict[str, FloatArray]) -> None:
    film = next(iter(films.values()))

    (mirror,) = find_duplicates({"a": film, "b": mirrored(film)})
    (plain,) = find_duplicates({"a": film, "b": gamma(film, 2)})

    assert mirror.mirrored
    assert str(mirror) == "a is nearly the same image (similarity 1.00, mirrored) as b"
    assert not plain.mirrored
    assert str(plain).startswith("a is nearly the same image (similarity 0.9")


def test_an_exact_pair_in_words() -> None:
    assert str(DuplicatePair("a", "b", "exact")) == "a is the same image as b"


def test_images_of_other_sizes_are_compared(films: dict[str, FloatArray]) -> None:
    film = next(iter(films.values()))

    (pair,) = find_duplicates({"large": film, "small": resize_area(film, 100)})

    assert pair.kind == "near"


def test_many_copies_of_one_picture_are_linked_in_bounded_time(
    films: dict[str, FloatArray],
) -> None:
    film = next(iter(films.values()))
    rng = np.random.default_rng(0)
    images = {
        f"{number:03d}": decoded(grey(film + rng.normal(0, 3, film.shape)))
        for number in range(60)
    }

    pairs = find_duplicates(images)

    assert {pair.kind for pair in pairs} == {"near"}
    assert {case_id for pair in pairs for case_id in (pair.first, pair.second)} == set(
        images
    )
    assert len(pairs) <= 10 * len(images)


def test_images_of_one_value_match_nothing(films: dict[str, FloatArray]) -> None:
    images = at(64, films)
    for level in (0, 7, 255):
        images[f"level {level}"] = np.full((64, 64), level, np.float32)

    assert find_duplicates(images) == ()


def test_noise_has_no_copies() -> None:
    rng = np.random.default_rng(0)
    images = {
        str(number): rng.uniform(0, 255, (32, 32)).astype(np.float32)
        for number in range(40)
    }

    assert find_duplicates(images) == ()


def test_images_that_cannot_be_registered_are_compared_unregistered(
    films: dict[str, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*arguments: object) -> None:
        raise cv2.error("Iterations do not converge")

    monkeypatch.setattr(cv2, "findTransformECC", diverge)
    film = next(iter(films.values()))

    (pair,) = find_duplicates({**films, "copy": gamma(film, 2)})

    assert (pair.first, pair.second) == (next(iter(films)), "copy")


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_copies(
    films: dict[str, FloatArray], count: int
) -> None:
    assert find_duplicates(dict(itertools.islice(films.items(), count))) == ()


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
