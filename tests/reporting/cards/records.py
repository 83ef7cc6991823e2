"""What an assessment and an experiment leave, made up."""

from typing import Any

from tfgansynth.evaluation.tables import METRIC_HEADINGS

SPREAD = {"n": 6, "mean": 0.911, "quantiles": [0.8, 0.85, 0.9, 0.95, 0.99]}
ESTIMATE = {"value": 0.5, "low": 0.25, "high": 0.75}
COMPARISON = {
    "synthetic": ESTIMATE,
    "ruler": {**ESTIMATE, "value": 0.625},
    "difference": {"value": -0.125, "low": -0.5, "high": 0.25},
    "size": 12,
}
PART = {
    "n_closer": 1,
    "share": 1 / 6,
    "threshold": 0.5,
    "expected_share": 0.01,
    "expected_share_interval": [0.0, 0.04],
    "copy_bound": 0.3,
    "n_copies": 0,
    "p_value": 0.0321,
    "binomial_p_value": 0.05,
    "passed": True,
}


def assessment(manifest_sha256: str, *, passed: bool = True) -> dict[str, Any]:
    parts = {
        "image": PART,
        "mask": {**PART, "n_closer": 2, "share": 2 / 6},
        "pair": {**PART, "n_copies": 0 if passed else 3, "passed": passed},
    }
    return {
        "fold": 1,
        "synthetic_set": {
            "folder": "fold-1/synthetic",
            "manifest_sha256": manifest_sha256,
            "n": 6,
        },
        "n_training": 6,
        "n_held_out": 14,
        "held_out": "4 validation cases and 10 that the reduced set leaves out",
        "soundness": {
            "agreement": {"synthetic": SPREAD, "real": {**SPREAD, "mean": 0.944}},
            "plausibility": {
                "synthetic": 0.5,
                "real": 0.75,
                "misfits": {"area": 2, "solidity": 1},
            },
        },
        "fidelity": {
            "features": "bottleneck of judge-1",
            "figures": {"precision": COMPARISON, "kid": COMPARISON},
            "shapes": {"area": COMPARISON},
            "expected_coverage": 0.97,
            "hash_diversity": {"synthetic": 20.25, "real": 24.75},
        },
        "memorization": {
            "passed": passed,
            "parts": parts,
            "offenders": [] if passed else [1, 4, 5],
        },
    }


def evidence(*runs: str, folds: tuple[int, ...] = (1,)) -> dict[str, Any]:
    summary = {"mean": 0.9472, "sd": 0.0254, "median": 0.95}
    row = {
        "name": "mixed",
        "n_real": [144, 145],
        "n_synthetic": [120],
        "n_unets": len(runs),
        "n_results": 83,
        "metrics": dict.fromkeys(METRIC_HEADINGS, summary),
        "dice_by_seed": {"0": 0.9472},
    }
    return {
        "context": f"phantoms, preset smoke, {len(runs)} seeds",
        "remarks": ["fold 1: something went amiss"],
        "tables": [{"title": "The paper's rows", "rows": [row]}],
        "warning": None,
        "confidence": 0.95,
        "comparisons": [{"sentence": "mixed helps against real only: a lot."}],
        "runs": list(runs),
        "folds": list(folds),
    }
