"""Assessments of synthetic sets in a run folder, made by evaluation's own classes."""

import dataclasses
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.assessment.fidelity import (
    compare_features,
    compare_shapes,
    expected_coverage,
)
from tfgansynth.assessment.memorization import audit
from tfgansynth.assessment.quality import (
    plausibility,
    shape_ranges,
    shape_table,
    spread,
)
from tfgansynth.assessment.record import memorization_record
from tfgansynth.data.phantoms.phantom import make_phantoms
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
    drawn = np.stack([case.mask for case in cases])
    training = planes[:N_TRAINING], drawn[:N_TRAINING]
    held_out = planes[N_TRAINING:], drawn[N_TRAINING:]
    # One planted copy, which the gallery must show first.
    images[2], masks[2] = training[0][3], training[1][3]

    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (3, N_TRAINING, 4))
    shapes = [shape_table(each, "both") for each in (training[1], masks, held_out[1])]
    agreed = {
        "synthetic": rng.beta(20, 3, len(images)),
        "real": rng.beta(40, 2, N_HELD_OUT),
    }
    ranges = shape_ranges(shapes[0])
    plausible = [plausibility(table, ranges) for table in shapes[1:]]
    misfits: dict[str, int] = {}
    for misfit in plausible[0].misfits:
        misfits[misfit.figure] = misfits.get(misfit.figure, 0) + 1
    found = audit(training, (images, masks), held_out)
    closest = found.parts["pair"].closest(N_SHOWN)
    figures = compare_features(*features, seed=0, n_draws=40)
    distances = compare_shapes(*shapes, seed=0, n_draws=40)
    record = {
        "fold": 1,
        "synthetic_set": {
            "folder": "synthetic",
            "manifest_sha256": storage.hash_file(fold / "synthetic/manifest.json"),
            "n": len(images),
        },
        "n_training": N_TRAINING,
        "n_held_out": N_HELD_OUT,
        "held_out": "phantoms of another seed",
        "soundness": {
            "agreement": {k: dataclasses.asdict(spread(v)) for k, v in agreed.items()},
            "plausibility": {
                "synthetic": plausible[0].share,
                "real": plausible[1].share,
                "misfits": misfits,
            },
        },
        "fidelity": {
            "features": "normal numbers <from a test>",
            "figures": {
                k: dataclasses.asdict(v) for k, v in figures.items() if compared
            },
            "shapes": {
                k: dataclasses.asdict(v) for k, v in distances.items() if compared
            },
            "expected_coverage": expected_coverage(14, 14) if compared else None,
            "hash_diversity": {"synthetic": 20.5, "real": 24.25},
        },
        "memorization": memorization_record(found),
    }
    arrays = {
        "agreement_synthetic": agreed["synthetic"],
        "agreement_real": agreed["real"],
        "gallery_synthetic": np.array([index for index, _, _ in closest]),
        "gallery_distances": np.array([distance for _, _, distance in closest]),
        "gallery_case_ids": np.array([cases[case].case_id for _, case, _ in closest]),
        "gallery_images": np.stack([_bytes(planes[case]) for _, case, _ in closest]),
        "gallery_masks": np.stack([drawn[case] for _, case, _ in closest]),
        "real_images": _bytes(training[0]),
        "real_masks": training[1],
        **{f"null_{name}": part.null for name, part in found.parts.items()},
        **{
            f"nearest_distances_{name}": part.nearest.distances
            for name, part in found.parts.items()
        },
    }
    folder = fold / "assessment"
    folder.mkdir()
    storage.write_record(folder / "assessment.json", record)
    storage.write_arrays(folder / "assessment.npz", arrays)


def _bytes(planes: FloatArray) -> ByteArray:
    pixels: ByteArray = np.rint(planes).astype(np.uint8)
    return pixels


def write_curve(folder: Path) -> None:
    """Write a learning curve of two regimes, two seeds and four sizes."""
    rng = np.random.default_rng(1)
    points = []
    for n_real in (5, 10, 20, 60):
        for regime, n_synthetic in (
            ("real (fixed budget)", 0),
            ("real + synthetic (fixed budget)", 20),
        ):
            for seed in (0, 1):
                mean = 0.96 - 0.5 / n_real - 0.002 * n_synthetic / n_real
                mean += float(rng.normal(0, 0.004))
                points.append(
                    {
                        "n_real": n_real,
                        "seed": seed,
                        "fold": 1,
                        "regime": regime,
                        "n_synthetic": n_synthetic,
                        "mean_dice": mean,
                        "low": mean - 0.01,
                        "high": mean + 0.008,
                        "n_cases": 20,
                    }
                )
    record = {
        "points": points,
        "context": "phantoms, preset smoke",
        "generator": "each n has its own",
    }
    storage.write_record(folder / "curve.json", record)
