"""Assessments of synthetic sets in a run folder, made by evaluation's own classes."""

import dataclasses
from pathlib import Path

import numpy as np

from tests.records.made import finished
from tests.reporting.html.made import DATASET
from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.assessment.fidelity import NetworkFeatures
from tfgansynth.assessment.membership import infer_membership, nearest_pairs
from tfgansynth.assessment.memorization import audit
from tfgansynth.assessment.quality import shape_table
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.records import converter
from tfgansynth.records.assessments import (
    AssessedSet,
    Assessment,
    Diversity,
    make_fidelity,
    make_memorization,
    make_quality,
)
from tfgansynth.records.curves import make_curve
from tfgansynth.records.regimes import Regime
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set

N_TRAINING, N_HELD_OUT, N_SHOWN = 14, 14, 12


def write_assessment(fold: Path, *, compared: bool = True) -> None:
    """Assess a fold's synthetic set against phantoms, with features from thin air.

    Without comparisons it is as that of a set that is too small for them.
    """
    images, masks = read_set(fold / "synthetic")
    cases = make_phantoms(N_TRAINING + N_HELD_OUT, seed=5, size=images.shape[-1])
    planes = np.stack([case.image for case in cases])
    drawn = np.stack([case.labels for case in cases]).astype(np.uint8)
    training = planes[:N_TRAINING], drawn[:N_TRAINING]
    held_out = planes[N_TRAINING:], drawn[N_TRAINING:]
    # One planted copy, which the gallery must show first.
    images[2], masks[2] = training[0][3], training[1][3]

    rng = np.random.default_rng(0)
    n_real = 2 * N_TRAINING if compared else 2
    features = NetworkFeatures(
        cases=np.arange(n_real),
        real=rng.normal(0, 1, (n_real, 4)),
        synthetic=rng.normal(0, 1, (N_TRAINING, 4)),
    )
    labels = training[1], masks, held_out[1]
    shapes = [shape_table(each > 0, "both") for each in labels]
    agreed = {
        "synthetic": rng.beta(20, 3, len(images)),
        "real": rng.beta(40, 2, N_HELD_OUT),
    }
    found = audit(training, (images, masks), held_out)
    pair = found.parts["pair"]
    closest = pair.closest(N_SHOWN)
    nearest = pair.cases[closest]
    record = Assessment(
        fold=1,
        synthetic_set=AssessedSet(
            folder="synthetic",
            manifest_sha256=storage.hash_file(fold / "synthetic/manifest.json"),
            n=len(images),
        ),
        n_training=N_TRAINING,
        n_held_out=N_HELD_OUT,
        held_out="phantoms of another seed",
        cross_fit={},
        quality=make_quality(
            agreed["synthetic"], agreed["real"], (shapes[0], shapes[1], shapes[2])
        ),
        fidelity=make_fidelity(
            features=[features],
            shapes=(shapes[0], shapes[1], shapes[2])
            if compared
            else (shapes[0], {"area_share": shapes[1]["area_share"][:2]}, shapes[2]),
            source="normal numbers <from a test>",
            diversity=Diversity(synthetic=20.5, real=24.25),
            seed=0,
        ),
        memorization=make_memorization(found),
        membership=infer_membership(
            nearest_pairs((planes, drawn), (images, masks)),
            N_TRAINING,
            [case.case_id for case in cases],
        ),
        files={},
    )
    arrays = {
        "agreement_synthetic": agreed["synthetic"],
        "agreement_real": agreed["real"],
        "gallery_synthetic": closest,
        "gallery_distances": pair.distances[closest],
        "gallery_case_ids": np.array([cases[case].case_id for case in nearest]),
        "gallery_images": np.stack([_bytes(planes[case]) for case in nearest]),
        "gallery_masks": np.stack([drawn[case] for case in nearest]),
        "real_images": _bytes(training[0]),
        "real_masks": training[1],
        **{f"null_{name}": part.null for name, part in found.parts.items()},
        **{
            f"nearest_distances_{name}": part.distances
            for name, part in found.parts.items()
        },
    }
    folder = fold / "assessment"
    folder.mkdir()
    converter.write(folder / "assessment.json", record)
    storage.write_arrays(folder / "assessment.npz", arrays)


def _bytes(planes: FloatArray) -> ByteArray:
    pixels: ByteArray = np.rint(planes).astype(np.uint8)
    return pixels


def write_curve(folder: Path) -> None:
    """Write a learning curve of two regimes, two seeds and four sizes."""
    rng = np.random.default_rng(1)
    unets = []
    for n_real in (5, 10, 20, 60):
        for n_synthetic in (0, 20):
            for seed in (0, 1):
                mean = 0.96 - 0.5 / n_real - 0.002 * n_synthetic / n_real
                rows = [
                    CaseRow(f"c{n}", CaseMetrics(dice, 4, 2, 1))
                    for n, dice in enumerate(rng.normal(mean, 0.004, 20).tolist())
                ]
                regime = Regime(n_real, n_synthetic, "fixed_budget")
                unet = finished(regime, rows, seed=seed)
                unets.append(dataclasses.replace(unet, dataset=DATASET))
    converter.write(folder / "curve.json", make_curve(unets, None))
