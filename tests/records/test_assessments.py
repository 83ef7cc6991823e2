"""The record of a synthetic set's assessment, and its text."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgansynth.arrays import Labels
from tfgansynth.assessment.fidelity import NetworkFeatures, compare_features
from tfgansynth.assessment.memorization import audit
from tfgansynth.assessment.quality import agreement, shape_table
from tfgansynth.assessment.search import most_copies
from tfgansynth.data.copies.distances import Pairs
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms
from tfgansynth.data.similarity import mean_pairwise_distance, perceptual_hash
from tfgansynth.evaluation.generative_metrics import NEIGHBORS
from tfgansynth.records.assessments import (
    AssessedSet,
    Assessment,
    Diversity,
    EnsembleMember,
    Fidelity,
    ShapeTables,
    diversity_again,
    hash_diversity,
    make_fidelity,
    make_memorization,
    make_quality,
)
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.reporting.assessments import assessment_cells, assessment_to_text
from tfgansynth.seeds import derive_seed

N_TRAINING, N_SYNTHETIC, N_HELD_OUT = 24, 12, 24


@pytest.fixture(scope="module")
def phantoms() -> Pairs:
    return images_and_labels(load_phantoms(60, 2, "both", 32, soft_masks=False).cases)


def part(phantoms: Pairs, start: int, count: int) -> Pairs:
    return phantoms[0][start : start + count], phantoms[1][start : start + count]


@pytest.fixture(scope="module")
def sets(phantoms: Pairs) -> tuple[Pairs, Pairs, Pairs]:
    """Training, held-out and, taken for synthetic, further phantoms."""
    return (
        part(phantoms, 0, N_TRAINING),
        part(phantoms, N_TRAINING, N_SYNTHETIC),
        part(phantoms, N_TRAINING + N_SYNTHETIC, N_HELD_OUT),
    )


def test_quality_tells_wrong_masks_from_right_ones(
    sets: tuple[Pairs, Pairs, Pairs],
) -> None:
    training, synthetic, held_out = (masks for _, masks in sets)
    one_lung = synthetic.copy()
    one_lung[:, :, 16:] = False
    found = make_quality(
        agreement(one_lung, synthetic),
        agreement(training, training),
        shape_tables(training, one_lung, held_out),
    )
    assert found.agreement.real.mean == 1
    assert found.agreement.real.n == N_TRAINING
    assert found.agreement.synthetic.mean < 0.95
    plausibility = found.plausibility
    assert plausibility.real > 0.85
    assert plausibility.synthetic == 0
    assert plausibility.misfits["left_share"] == N_SYNTHETIC
    assert all(plausibility.misfits.values())


def shape_tables(*masks: Labels) -> ShapeTables:
    training, synthetic, held_out = (shape_table(each > 0, "both") for each in masks)
    return training, synthetic, held_out


def fidelity(sets: tuple[Pairs, Pairs, Pairs], features: tuple[Any, Any]) -> Fidelity:
    real, synthetic = features
    return make_fidelity(
        features=[NetworkFeatures(np.arange(len(real)), real, synthetic)],
        shapes=shape_tables(*(masks for _, masks in sets)),
        source="somewhere",
        diversity=Diversity(synthetic=20.5, real=24.25),
        seed=7,
    )


def gaussian(n_real: int, n_synthetic: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    real, synthetic = (rng.normal(1, 1, (n, 3)) for n in (n_real, n_synthetic))
    return real.astype(np.float32), synthetic.astype(np.float32)


@pytest.mark.parametrize(
    ("sizes", "neighbors"),
    [((60, 26), NEIGHBORS), ((31, 60), 3), ((9, 4), 1)],
)
def test_small_sets_are_compared_with_fewer_neighbors(
    sets: tuple[Pairs, Pairs, Pairs], sizes: tuple[int, int], neighbors: int
) -> None:
    real, synthetic = gaussian(*sizes)
    found = fidelity(sets, (real, synthetic))
    assert found.neighbors == neighbors
    assert found.features == "somewhere"
    seed = derive_seed(7, "features")
    network = NetworkFeatures(np.arange(len(real)), real, synthetic)
    again = compare_features([network], seed=seed, k=neighbors)
    for name, comparison in again.items():
        assert found.figures[name].size == min(len(real) // 2, len(synthetic))
        assert (
            found.figures[name].real_reference.value == comparison.real_reference.value
        )
    expected = found.expected_coverage
    # Equal distributions: what is found is near what is to be expected.
    assert found.figures["coverage"].real_reference.value == pytest.approx(
        expected, abs=0.25
    )


def equal(n_real: int, n_synthetic: int) -> tuple[Any, Any]:
    return np.ones((n_real, 3), np.float32), np.ones((n_synthetic, 3), np.float32)


@pytest.mark.parametrize(
    ("make", "sizes", "why"),
    [
        (gaussian, (7, 20), "expected at least 8 in each set"),
        (gaussian, (20, 3), "expected at least 4 in each set"),
        (equal, (30, 20), "expected real features that differ"),
    ],
)
def test_features_that_cannot_be_compared_are_told(
    sets: tuple[Pairs, Pairs, Pairs],
    make: Callable[..., tuple[Any, Any]],
    sizes: tuple[int, int],
    why: str,
) -> None:
    found = fidelity(sets, make(*sizes))
    assert found.figures == {}
    assert found.expected_coverage is None
    assert found.features.startswith(f"somewhere; not compared: {why}")
    assert found.shapes["area_share"].size == N_SYNTHETIC


def test_too_few_masks_have_no_distances(sets: tuple[Pairs, Pairs, Pairs]) -> None:
    training, synthetic, held_out = sets
    few = synthetic[0][:3], synthetic[1][:3]
    found = fidelity((training, few, held_out), gaussian(18, 9))
    assert found.shapes == {}
    assert found.figures


def test_copies_of_one_image_have_no_diversity(phantoms: Pairs) -> None:
    images, _ = phantoms
    assert hash_diversity(np.stack([images[0]] * 5)) == 0
    assert 10 < hash_diversity(images) < 40


def test_a_diversity_measured_by_an_earlier_version_is_found_again() -> None:
    noise = np.random.default_rng(0).normal(size=(6, 64, 64))
    lines = 100 + 50 * np.sin(np.arange(64) * 2) + noise
    hashes = [perceptual_hash(image) for image in np.rint(lines).astype(np.uint8)]
    by_hash = mean_pairwise_distance(hashes)
    assert hash_diversity(lines) == 0 < by_hash
    for stored, found in ((by_hash, by_hash), (0.0, 0.0), (0.1, 0.0)):
        again = diversity_again(Diversity(synthetic=stored, real=20.5), lines)
        assert again == Diversity(synthetic=found, real=20.5)


def record_of(sets: tuple[Pairs, Pairs, Pairs]) -> Assessment:
    training, synthetic, held_out = sets
    return Assessment(
        fold=1,
        synthetic_set=AssessedSet(
            folder="fold-1/synthetic", manifest_sha256="00", n=N_SYNTHETIC
        ),
        n_training=N_TRAINING,
        n_held_out=N_HELD_OUT,
        held_out="24 validation cases",
        cross_fit={
            "cross-fit/member-1": EnsembleMember(model_sha256="0", agreement=0.25)
        },
        quality=make_quality(
            agreement(synthetic[1], synthetic[1]),
            agreement(training[1], training[1]),
            shape_tables(training[1], synthetic[1], held_out[1]),
        ),
        fidelity=fidelity(sets, gaussian(30, 15)),
        memorization=make_memorization(audit(training, synthetic, held_out)),
        files={},
    )


@pytest.fixture(scope="module")
def record(sets: tuple[Pairs, Pairs, Pairs]) -> Assessment:
    return record_of(sets)


def test_the_record_is_read_back_and_the_text_tells_it(record: Assessment) -> None:
    plain = json.loads(json.dumps(to_json(record), allow_nan=False))
    assert from_json(Assessment, plain, Path("assessment.json")) == record
    lines = assessment_to_text(record).splitlines()
    assert lines[0] == (
        "ASSESSMENT of fold-1/synthetic: 12 synthetic pairs beside 24 training and 24 "
        "held-out real cases (24 validation cases)"
    )
    assert (
        "  out-of-fold ensemble on real cases that it has not seen: "
        "cross-fit/member-1 0.250" in lines
    )
    kid = record.fidelity.figures["kid"].synthetic
    (told,) = [line for line in lines if line.startswith("  kid ")]
    assert f"{kid.value:.3f} [{kid.low:.3f}, {kid.high:.3f}]" in told
    assert "MEMORIZATION: audit for copies: passed" in lines


def test_a_copy_is_flagged(sets: tuple[Pairs, Pairs, Pairs]) -> None:
    training, synthetic, held_out = sets
    images, masks = synthetic[0].copy(), synthetic[1].copy()
    images[5], masks[5] = training[0][9], training[1][9]
    record = record_of((training, (images, masks), held_out))
    assert not record.memorization.passed
    # Beside it, by chance, one that is as near as the nearest real case.
    assert 5 in record.memorization.flagged
    assert record.memorization.parts["pair"].n_copies == 1
    text = assessment_to_text(record)
    assert "MEMORIZATION: audit for copies: NOT PASSED" in text
    assert "  pair: 1 copies (" in text
    assert assessment_cells(record)["audit"] == "NOT PASSED"
    assert assessment_cells(record)["copies"] == "1 / 1 / 1"
    search = record.memorization.search
    assert search
    assert (search.n_copies, search.n_planted) == (1, N_TRAINING)
    bound = 100 * most_copies(1, N_SYNTHETIC, search.n_detected, N_TRAINING)
    assert assessment_cells(record)["most copies"] == f"{bound:.1f} %"
    assert f"copies in all: 1 of 12; with 95 % confidence at most {bound:.1f}%" in text


def test_too_few_cases_to_compare_leave_the_cells_open(record: Assessment) -> None:
    none = dataclasses.replace(record.fidelity, figures={})
    cells = assessment_cells(dataclasses.replace(record, fidelity=none))
    assert cells["precision / recall / coverage"] == cells["the same of real"] == "-"
    assert cells["audit"] == "passed"
    assert cells["agreement (real)"] == "1.000 (1.000)"
