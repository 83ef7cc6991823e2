"""Augmented sets keep what was drawn, and what was made of it is made again."""

import dataclasses
import functools
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.reporting import made
from tests.synthesis.test_sampling import SIDE, Z_DIM, grey_mask, sampler
from tfgansynth.config import AugmentationConfig, SynthesisConfig
from tfgansynth.data.augmentation import augment_set
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.data.deformations import Deformations
from tfgansynth.errors import InputError
from tfgansynth.experiment.stages import assessment
from tfgansynth.records import converter
from tfgansynth.records.assessments import make_memorization
from tfgansynth.records.converter import to_json
from tfgansynth.records.provenance import SetManifest
from tfgansynth.reporting.verification.audits import audit_again, compare_augmented
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.runtime import storage
from tfgansynth.synthesis.masks import ClassRule, clean_masks
from tfgansynth.synthesis.sampling import (
    DEFORMATIONS,
    DRAWN,
    MANIFEST,
    draw_set,
    draw_z,
    read_deformations,
    read_set,
    write_set,
)

SETTINGS = SynthesisConfig(count=6, batch=4, max_draws=4, augment="elastic")
STRENGTH = AugmentationConfig(shift=3)
RULES = [ClassRule(2)]


@pytest.fixture(params=["elastic", "learned"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A set whose pairs were augmented."""
    deformations = None
    if request.param == "learned":
        modes = np.random.default_rng(0).normal(0, 0.01, (2, SIDE, SIDE, 2))
        deformations = Deformations(modes.astype(np.float32))
    augment = functools.partial(augment_set, config=STRENGTH, deformations=deformations)
    found = draw_set(
        sampler, SETTINGS, z_dim=Z_DIM, z_seed=77, rules=RULES, augment=augment
    )
    manifest = dataclasses.replace(
        made.MANIFEST,
        augmentation=STRENGTH,
        synthesis=dataclasses.replace(SETTINGS, augment=request.param),
    )
    write_set(found, to_json(manifest), tmp_path / "set", deformations)
    return tmp_path / "set"


def compared(folder: Path) -> list[str]:
    images, masks = read_set(folder)
    differences = Differences(folder)
    manifest = converter.read(folder / MANIFEST, SetManifest)
    pairs = np.rint(images).astype(np.uint8), masks
    compare_augmented(folder, manifest, pairs, differences)
    return differences.lines


def test_an_augmented_set_has_its_pairs_as_they_were_drawn(folder: Path) -> None:
    manifest = converter.read(folder / MANIFEST, SetManifest)
    images, masks = read_set(folder, DRAWN)

    assert manifest.as_drawn
    for entry, image, mask in zip(manifest.pairs, images, masks, strict=True):
        drawn, greys = sampler(draw_z(77, entry.batch, SETTINGS.batch, Z_DIM))
        np.testing.assert_array_equal(image, drawn[entry.index])
        clean = clean_masks(greys, RULES, threshold=SETTINGS.mask_threshold)
        np.testing.assert_array_equal(mask, clean[entry.index])
    assert not np.array_equal(images, read_set(folder)[0])


def test_a_set_that_is_not_augmented_is_kept_once(tmp_path: Path) -> None:
    plain = dataclasses.replace(SETTINGS, augment="none")
    write_set(
        draw_set(sampler, plain, z_dim=Z_DIM, z_seed=77, rules=RULES),
        to_json(dataclasses.replace(made.MANIFEST, synthesis=plain)),
        tmp_path / "set",
    )

    assert converter.read(tmp_path / "set" / MANIFEST, SetManifest).as_drawn
    assert {path.name for path in (tmp_path / "set").iterdir()} == {
        *("images", "masks", "manifest.json", "contact_sheet.png")
    }


def test_an_augmented_set_of_an_earlier_version_is_not_as_drawn(folder: Path) -> None:
    manifest = converter.read(folder / MANIFEST, SetManifest)
    pairs = tuple(
        dataclasses.replace(pair, drawn_image_sha256=None, drawn_mask_sha256=None)
        for pair in manifest.pairs
    )

    assert not dataclasses.replace(manifest, pairs=pairs).as_drawn


def test_a_handed_over_set_is_audited_beside_augmented_cases(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not what was drawn, though its manifest is that of the whole set."""
    calls: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        assessment,
        "audit",
        lambda _, synthetic, __, *, augment, seed: calls.append((synthetic, augment)),
    )
    experiment: Any = SimpleNamespace(config=SimpleNamespace(seed=0))
    fold: Any = SimpleNamespace(number=1)
    pairs = read_set(folder)
    drawn = read_set(folder, DRAWN)

    assessment._audit(experiment, fold, folder, (pairs, pairs, pairs))
    shutil.rmtree(folder / f"{DRAWN}images")
    assessment._audit(experiment, fold, folder, (pairs, pairs, pairs))

    (whole, none), (handed_over, augment) = calls
    np.testing.assert_array_equal(whole[0], drawn[0])
    np.testing.assert_array_equal(whole[1], drawn[1])
    assert none is None
    assert handed_over is pairs
    assert augment.keywords["config"] == STRENGTH
    # Where deformations were learned, they are learned again.
    manifest = converter.read(folder / MANIFEST, SetManifest)
    is_learned = manifest.synthesis.augment == "learned"
    assert (augment.keywords["deformations"] is not None) == is_learned


def test_what_was_drawn_is_augmented_again(folder: Path) -> None:
    assert compared(folder) == []


@pytest.mark.parametrize("folder", ["learned"], indirect=True)
def test_other_deformations_than_those_of_a_set_are_found(folder: Path) -> None:
    path = folder / DEFORMATIONS
    found = read_deformations(folder)
    assert found
    storage.write_arrays(path, {"modes": found.modes[:1]})
    with pytest.raises(InputError, match=r"deformations\.npz: was altered since"):
        compared(folder)
    record = storage.read_record(folder / MANIFEST)

    def seal() -> None:
        storage.write_record(
            folder / MANIFEST,
            {**record, "deformations_sha256": storage.hash_file(path)},
        )

    seal()
    assert len(compared(folder)) > SETTINGS.count
    for modes in (found.modes * np.inf, found.modes[0], np.full_like(found.modes, 1.5)):
        storage.write_arrays(path, {"modes": modes})
        seal()
        with pytest.raises(InputError, match=r"deformations\.npz: holds no deform"):
            compared(folder)


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_another_drawing_than_that_of_the_pair_is_a_difference(
    folder: Path, kind: str
) -> None:
    """A set cannot hide a copy behind drawings that its pairs were not made of."""
    record = storage.read_record(folder / MANIFEST)
    entry = record["pairs"][2]
    path = folder / f"{DRAWN}{kind}s" / entry["name"]
    other = np.full((SIDE, SIDE), 90, np.uint8) if kind == "image" else grey_mask(1)
    storage.write_png(path, other if kind == "image" else np.uint8(255) * (other > 150))
    entry[f"{DRAWN}{kind}_sha256"] = storage.hash_file(path)
    storage.write_record(folder / MANIFEST, record)

    (line,) = compared(folder)

    assert line == (
        f"{kind}s/synthetic-00003.png: is no augmentation of what was drawn"
    )


def test_an_audit_of_an_earlier_version_has_no_search() -> None:
    arrays = {
        **{f"nearest_cases_{part}": np.zeros(4, np.int64) for part in PARTS},
        **{f"nearest_distances_{part}": np.full(4, 0.7) for part in PARTS},
        **{f"null_{part}": np.linspace(0.5, 0.9, 40) for part in PARTS},
    }
    found = make_memorization(audit_again(arrays))

    assert found.passed
    assert found.search is None
    assert "search" not in to_json(found)
    # Its bound on copies is its own: of a level three times as high.
    bound = found.parts["pair"].copy_bound
    searched = {f"search_{name}": np.zeros(4) for name in ("cases", "scores", "null")}
    planted = {f"search_planted{name}": np.zeros(4) for name in ("", "_distances")}
    later = make_memorization(audit_again({**arrays, **searched, **planted}))
    assert 0.2 < later.parts["pair"].copy_bound < bound < 0.3


def test_a_search_is_made_again_from_its_arrays() -> None:
    none = np.zeros(4, np.int64)
    arrays = {
        **{f"nearest_cases_{part}": none for part in PARTS},
        **{f"nearest_distances_{part}": np.full(4, 0.7) for part in PARTS},
        **{f"null_{part}": np.linspace(0.5, 0.9, 40) for part in PARTS},
        "search_cases": none,
        "search_scores": np.array([0.1, 0.9, 0.2, 0.3]),
        "search_null": np.linspace(0.4, 0, 40),
        "search_planted": np.array([0.9, 0.9, 0.1]),
        "search_planted_distances": np.array([0.7, 0.7, 0.01]),
    }
    found = make_memorization(audit_again(arrays))

    assert not found.passed
    assert found.flagged == (1,)
    assert found.search
    assert (found.search.n_found, found.search.n_copies) == (1, 1)
    assert (found.search.n_detected, found.search.n_planted) == (3, 3)
    assert found.search.most_copies == 1
