"""Fidelity and membership are made again, and those of earlier versions are noted."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reporting.html.made import CONFIG, N_SYNTHETIC, write_run
from tests.reporting.made import REFERENCED
from tfgansynth.assessment.membership import Values, infer_membership
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.data.dataset import CaseTable
from tfgansynth.records import regimes
from tfgansynth.records.assessments import Diversity, Fidelity, ShapeTables
from tfgansynth.records.reading.run import read_identity
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.fidelity import (
    fidelity_again,
    membership_again,
    networks_again,
)

DIVERSITY = Diversity(synthetic=20.5, real=24.25)
STORED = Fidelity(
    features="bottleneck of member-1",
    neighbors=3,
    figures={"recall": REFERENCED},
    expected_coverage=0.9,
    shapes={},
    hash_diversity=Diversity(synthetic=1.0, real=2.0),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    found = read_identity(write_run(tmp_path_factory.mktemp("run"), CONFIG))
    held_out = tuple(f"held-out-{number}" for number in range(9))
    first = dataclasses.replace(found.folds[0], validation=held_out)
    return dataclasses.replace(found, folds=(first,))


def real_cases(run: RunRecord) -> list[str]:
    training, fold = run.training_ids(1), run.fold(1)
    unused = [each for each in fold.training if each not in training]
    return [*training, *fold.validation, *unused]


def arrays_of(run: RunRecord) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    real, n_training = np.array(real_cases(run)), len(run.training_ids(1))
    arrays: dict[str, NDArray[Any]] = {}
    parts = regimes.cross_fit_parts(run.config, 1, n_training)
    for number, part in enumerate(parts, start=1):
        ids = [*real[part], *real[n_training:]]
        arrays[f"features_real_case_ids_{number}"] = np.array(ids)
        arrays[f"features_real_{number}"] = rng.normal(size=(len(ids), 3))
        arrays[f"features_synthetic_{number}"] = rng.normal(size=(N_SYNTHETIC, 3))
    for name in PARTS:
        arrays[f"nearest_pairs_{name}"] = rng.random(len(real))
    return arrays


def shapes() -> ShapeTables:
    first, second, third = ({"area": np.arange(n, dtype=float)} for n in (5, 6, 7))
    return first, second, third


def test_networks_are_of_the_cases_that_each_has_not_seen(run: RunRecord) -> None:
    arrays, found = arrays_of(run), Differences(run.root)
    path = run.root / "fold-1/assessment/assessment.npz"

    networks = networks_again(run, 1, path, arrays, found)

    assert found.lines == found.notes == []
    real = real_cases(run)
    for number, network in enumerate(networks, start=1):
        ids = arrays[f"features_real_case_ids_{number}"].tolist()
        assert [real[case] for case in network.cases] == ids
        assert network.real is arrays[f"features_real_{number}"]
    made = fidelity_again(run, 1, STORED, networks, shapes(), DIVERSITY)
    n_unseen = len(networks[0].real)
    assert made.figures.keys() >= {"recall"}
    assert made.figures["recall"].size == min(n_unseen // 2, N_SYNTHETIC)
    assert made.hash_diversity == DIVERSITY
    arrays["features_real_case_ids_2"] = arrays["features_real_case_ids_2"][::-1]
    networks_again(run, 1, path, arrays, found)
    assert "features_real_case_ids_2[0]" in found.lines[0]


def test_figures_of_an_earlier_version_are_noted_and_kept(run: RunRecord) -> None:
    found = Differences(run.root)
    path = run.root / "fold-1/assessment/assessment.npz"

    networks = networks_again(run, 1, path, {"features_training": np.zeros(3)}, found)

    assert networks == []
    (note,) = found.notes
    assert note.startswith(f"{run.root.name}/fold-1/assessment: precision, recall, ")
    made = fidelity_again(run, 1, STORED, networks, shapes(), DIVERSITY)
    assert dataclasses.replace(made, shapes={}, hash_diversity=DIVERSITY) == (
        dataclasses.replace(STORED, hash_diversity=DIVERSITY)
    )
    # What needs no features is made again all the same.
    assert made.shapes["area"].size == 5
    assert made.hash_diversity == DIVERSITY


def test_membership_is_measured_again_by_patients(run: RunRecord) -> None:
    arrays, real = arrays_of(run), real_cases(run)
    nearest: dict[str, Values] = {
        name: arrays[f"nearest_pairs_{name}"] for name in PARTS
    }
    n_members = len(run.training_ids(1))

    assert membership_again(run, 1, arrays) == infer_membership(
        nearest, n_members, real
    )
    table = CaseTable(patients={real[1]: real[0], real[-1]: real[-2]})
    known = dataclasses.replace(run, table=table)
    made = membership_again(known, 1, arrays)
    assert made
    assert (made.n_members, made.n_others) == (
        n_members - 1,
        len(real) - n_members - 1,
    )
    assert membership_again(run, 1, {"null_image": np.zeros(1)}) is None
