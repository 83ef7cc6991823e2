import functools
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.data.copies.alterations import (
    ALTERATIONS,
    HARD_ALTERATIONS,
    TEXTURES,
    Alteration,
    bent,
    blurred,
    cropped,
    exposed,
    jpeg,
    mirrored,
    moved,
    noisy,
    textures,
    turned,
)
from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.data.copies.registration import COPY_SCORE, compare, find_copies
from tfgansynth.data.phantoms.phantom import make_phantoms


@functools.cache
def phantoms(count: int, size: int) -> list[FloatArray]:
    return [raw.image for raw in make_phantoms(count, seed=0, size=size)]


def scores(originals: Sequence[FloatArray], alteration: Alteration) -> list[float]:
    """Score copies of the originals, of which a fifth has none."""
    n_copies = len(originals) * 4 // 5
    copies = [alteration(image) for image in originals[:n_copies]]
    found = {
        (pair.first, pair.second): pair.score for pair in compare([*originals, *copies])
    }
    return [found.get((n, len(originals) + n), 0.0) for n in range(n_copies)]


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_copy_is_found_and_nothing_else(alteration: Alteration) -> None:
    films = phantoms(4, 256)

    found = find_copies([*films, *map(alteration, films[:2])])

    assert [(pair.first, pair.second) for pair in found] == [(0, 4), (1, 5)]


SIZES = (256, 64)

SMALL: dict[str, Alteration] = {
    "equal": lambda film: film.copy(),
    "shifted": lambda film: moved(film, shift=0.05),
    "turned by 2 degrees": lambda film: moved(film, degrees=2),
    "turned by 8 degrees": lambda film: moved(film, degrees=-8),
    "mirrored": mirrored,
    "inverted": lambda film: 255 - film,
    "exposed": lambda film: exposed(film, 0.7, 30),
    "blurred": blurred,
    "cropped": lambda film: cropped(film, 0.05, 0.1),
    "bent": lambda film: bent(film, 4),
}


@pytest.mark.parametrize("alteration", SMALL.values(), ids=SMALL)
def test_copies_of_64_pixels_are_found(alteration: Alteration) -> None:
    assert min(scores(phantoms(5, 64), alteration)) >= COPY_SCORE


@pytest.mark.parametrize("size", [48, 64, 128, 256])
def test_phantoms_are_no_copies(size: int) -> None:
    assert find_copies(phantoms(20, size)) == []


@pytest.mark.parametrize("name", TEXTURES)
def test_images_of_one_texture_are_no_copies(name: str) -> None:
    assert find_copies(textures(name, 128, 8)) == []


@pytest.mark.parametrize("name", ["membranes", "nuclei", "coarse noise"])
def test_copies_among_images_of_one_texture_are_found(name: str) -> None:
    images = textures(name, 128, 8)
    copy = jpeg(mirrored(images[2]), 50)

    assert [(pair.first, pair.second) for pair in find_copies([*images, copy])] == [
        (2, 8)
    ]


def test_a_shared_frame_makes_no_copies() -> None:
    white_frame = ALTERATIONS["white frame"]

    assert find_copies([white_frame(film) for film in phantoms(20, 128)]) == []


@pytest.mark.parametrize(
    ("alteration", "words"),
    [
        (lambda film: exposed(film, 0.6, 0), ()),
        (lambda film: 255 - film, ("inverted",)),
        (
            lambda film: turned(mirrored(film), 1),
            ("mirrored", "turned by 90 degrees"),
        ),
        (lambda film: film[::-1].copy(), ("mirrored", "turned by 180 degrees")),
        (lambda film: moved(film, degrees=10), ("turned by 10 degrees",)),
        (lambda film: cropped(film, 0.1, 0.1), ("magnified 1.25 times",)),
        (lambda film: moved(film, shift=0.1), ("shifted by 10 %",)),
    ],
)
def test_alterations_are_named(alteration: Alteration, words: tuple[str, ...]) -> None:
    film = phantoms(1, 256)[0]

    (pair,) = find_copies([film, alteration(film)])

    assert pair.alterations == words


def test_the_score_falls_as_a_copy_gets_worse() -> None:
    films = phantoms(4, 128)
    found = [
        min(scores(films, functools.partial(noisy, deviation=deviation)))
        for deviation in (0, 10, 20)
    ]

    assert found[0] == pytest.approx(1, abs=1e-3)
    assert found[0] > found[1] > found[2]


def test_images_are_compared_with_references_only() -> None:
    films = phantoms(7, 64)
    references = [*films[:4], mirrored(films[2])]
    copy, other = films[1] * 0.8, films[6]

    found = compare([*references, copy, 255 - copy, other], len(references))

    scores = {(pair.first, pair.second): pair.score for pair in found}
    copies = {pair for pair, score in scores.items() if score >= COPY_SCORE}
    # Not (5, 6), of two that are no references.
    assert copies == {(2, 4), (1, 5), (1, 6)}
    alone = compare([*references, copy], len(references))
    assert next(pair.score for pair in alone if pair.second == 5) == scores[1, 5]


def test_the_result_is_the_same_each_time() -> None:
    images = [*phantoms(9, 128), mirrored(phantoms(9, 128)[4])]
    one, other = compare(images), compare(images)

    assert [pair.score for pair in one] == [pair.score for pair in other]


def test_many_copies_of_one_picture_are_linked_in_bounded_time() -> None:
    film = phantoms(1, 128)[0]
    images = [film + level for level in np.linspace(0, 9, 40, dtype=np.float32)]

    found = find_copies(images)

    assert {n for pair in found for n in (pair.first, pair.second)} == set(range(40))
    assert len(found) <= 3 * len(images)


def test_images_of_one_value_match_nothing() -> None:
    flat = [np.full((64, 64), level, np.float32) for level in (0, 7, 7, 255)]

    assert compare(flat) == []
    assert find_copies([*phantoms(3, 64), *flat]) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_copies(count: int) -> None:
    assert find_copies(phantoms(3, 64)[:count]) == []


def test_candidates_that_cannot_be_registered_keep_the_map_of_their_keypoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diverge(*arguments: object) -> None:
        raise cv2.error("Iterations do not converge")

    monkeypatch.setattr(cv2, "findTransformECC", diverge)
    film = phantoms(1, 128)[0]

    assert len(find_copies([film, exposed(film, 0.6, 0)])) == 1


@pytest.mark.slow
def test_the_copies_that_the_docs_promise(request: pytest.FixtureRequest) -> None:
    """Print the table of `docs/explanation/reliability.md`; see `--copies`."""
    folder: Path | None = request.config.getoption("--copies")
    if folder is None:
        sets = {"phantoms": phantoms(10, 256)}
        n_phantoms, n_textures = 10, 4
        kinds: tuple[str, ...] = ("inverted", "20 % cut off one corner")
    else:
        sets = {
            path.name: [read(file) for file in sorted(path.rglob("images/*.png"))]
            for path in sorted(folder.iterdir())
            if path.is_dir()
        }
        n_phantoms, n_textures = 988, 20
        kinds = (*ALTERATIONS, *HARD_ALTERATIONS)
    everything = {**ALTERATIONS, **HARD_ALTERATIONS}
    print()
    largest = max(sets.values(), key=len)
    originals = largest[:: len(largest) // 25 or 1][:25]
    sizes = {size: [resize_area(film, size) for film in originals] for size in SIZES}
    for kind in kinds:
        rates = []
        for size, films in sizes.items():
            found = scores(films, everything[kind])
            n_found = sum(score >= COPY_SCORE for score in found)
            rates.append(f"{n_found} of {len(found)} ({min(found):.2f})")
            if kind in ALTERATIONS and size >= 128:
                assert n_found >= 0.95 * len(found)
        print(f"| {' | '.join([kind, *rates])} |", flush=True)
    print()
    unlike = {
        **sets,
        "phantoms, 128": phantoms(n_phantoms, 128),
        **{name: textures(name, 128, n_textures) for name in TEXTURES},
    }
    for name, images in unlike.items():
        start = time.process_time()
        pairs = sorted(compare(images), key=lambda pair: -pair.score)
        seconds = time.process_time() - start
        flagged = list(itertools.takewhile(lambda p: p.score >= COPY_SCORE, pairs))
        rest = max((pair.score for pair in pairs[len(flagged) :]), default=0)
        named = ", ".join(f"{pair.first}-{pair.second}" for pair in flagged) or "none"
        print(
            f"| {name} | {len(images)} | {named} | {rest:.2f} | {seconds:.1f} |",
            flush=True,
        )
        if name != "usgra102":  # has frames of one recording
            assert flagged == []


def read(file: Path) -> FloatArray:
    """Read the middle square of an image, at most 256 pixels."""
    image = np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), np.float32)
    side = min(image.shape)
    top, left = ((length - side) // 2 for length in image.shape)
    return resize_area(image[top : top + side, left : left + side], min(side, 256))
