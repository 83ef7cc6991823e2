"""A study of two seeds on phantoms, written in seconds: all files, nothing trained."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.config import Config
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.evaluation.evidence import EvaluatedUNet, evidence_to_json, weigh
from tfgansynth.evaluation.metrics import measure
from tfgansynth.evaluation.predictions import Predictions, write_predictions
from tfgansynth.evaluation.tables import CaseRow, cases_to_csv
from tfgansynth.experiment.run_folder import Run
from tfgansynth.gan.health import History
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, write_set

SIZE, N_CASES, N_SYNTHETIC = 32, 20, 14
PAPER, FIXED_BUDGET = (
    "The paper's rows: <until> its rule ends it",
    "Fixed budget: 40 each",
)
ARMS = {
    (PAPER, "real only"): ("unet-r6-s0", 6, 0, 1),
    (PAPER, "mixed"): ("unet-r6-s14", 6, N_SYNTHETIC, 3),
    (PAPER, "synthetic only"): ("unet-r0-s14", 0, N_SYNTHETIC, 4),
    (FIXED_BUDGET, "real (fixed budget)"): ("unet-r6-s0-fixed-budget", 6, 0, 2),
    (FIXED_BUDGET, "real + synthetic (fixed budget)"): (
        "unet-r6-s14-fixed-budget",
        6,
        N_SYNTHETIC,
        2,
    ),
    (FIXED_BUDGET, "real (augmented)"): ("unet-r6-s0-augmented", 6, 0, 3),
}
"""Table and row to folder, pairs, and how many pixels each answer is displaced by."""
HOSTILE = "case <b>&\"'$x$"
"""A case's name that HTML, SVG and Matplotlib all could take for their own."""
DATASET = {
    "name": "phantoms",
    "is_phantom": True,
    "cases": N_CASES,
    "sha256": "ab" * 32,
}


def write_study(out: Path, seeds: tuple[int, ...] = (0, 1)) -> Path:
    """Write runs of some seeds; return the folder of the evidence of all."""
    config = dataclasses.replace(PRESETS["smoke"], reduced=True)
    runs = [_run(out, dataclasses.replace(config, seed=seed)) for seed in seeds]
    if len(seeds) == 1:
        folder = runs[0].root
    else:
        folder = out / f"phantoms-reduced-smoke-seeds{seeds[0]}-{seeds[-1]}"
        folder.mkdir()
    unets = [
        (run, EvaluatedUNet(run.config.seed, table, regime, _unet(run, *made)))
        for run in runs
        for (table, regime), made in ARMS.items()
    ]
    evidence = weigh(
        [unet for _, unet in unets],
        context="phantoms, both lungs",
        is_phantom=True,
        margin=0.005,
        remarks=("a <remark> & more",),
    )
    record = {
        **evidence_to_json(evidence),
        "runs": [run.root.name for run in runs],
        "folds": [1],
        "dataset": DATASET,
        "unets": [
            {
                "run": run.root.name,
                "fold": 1,
                "folder": ARMS[unet.table, unet.regime][0],
                "table": unet.table,
                "regime": unet.regime,
            }
            for run, unet in unets
        ],
    }
    storage.write_record(folder / "evidence.json", record)
    return folder


def _run(out: Path, config: Config) -> Run:
    run = Run.open(out, config, dataset_name="phantoms", cases={"a": "0" * 64})
    run.add_seconds({"fold-1/gan": 62.5, "fold-1/gan/steps": 60.0})
    machine = {
        "processor": "a processor",
        "cpu_features": ["avx"],
        "gpus": [],
        "bfloat16_units": [],
        "threads": 2,
        "kernels": "none",
        "versions": {"python": "3.11"},
        "commit": None,
    }
    run.add_machine("fold-1/gan", machine, precision="float32", done=0)
    images, masks = _pairs(config.seed)
    history = History()
    for step in range(0, 21, 2):
        history.add(step, {"loss/generator": 1.0 + step, "loss/discriminator": 1.0})
        history.add(step, {"health/diversity": 0.9, "fidelity/kid": 1 / (1 + step)})
    checkpoints.save(run.gan(1) / "checkpoints", 20, history.arrays(), {})
    for step in (0, 2, 10, 20):
        sheet = pictures.pairs_sheet(np.roll(images, step, 1), masks, columns=8)
        storage.write_png(run.gan(1) / f"samples/step-{step:06d}.png", sheet)
    draws = tuple(Draw(0, index, "0" * 16) for index in range(N_SYNTHETIC))
    made = SyntheticSet(images, masks, draws, N_SYNTHETIC, 0, 0)
    write_set(made, {}, run.synthetic(1))
    return run


def _unet(
    run: Run, folder_name: str, n_real: int, n_synthetic: int, shift: int
) -> list[CaseRow]:
    images, truths = _pairs(0, N_CASES)
    predictions = np.roll(truths, shift, 1)
    names = [HOSTILE, *(f"case-{number}" for number in range(1, N_CASES))]
    rows = [
        CaseRow(1, name, n_real, n_synthetic, measure(prediction, truth))
        for name, prediction, truth in zip(names, predictions, truths, strict=True)
    ]
    folder = run.fold(1) / folder_name
    folder.mkdir(parents=True)
    shown = 0, 5, 9
    answered = Predictions(
        tuple(names), predictions, truths, shown, images[list(shown)]
    )
    write_predictions(folder / "predictions.npz", answered)
    storage.write_text(folder / "cases.csv", cases_to_csv(rows))
    lines = [f"{epoch},0.5,{1 / epoch}\n" for epoch in range(1, 6)]
    header = "epoch,training_error,validation_error\n"
    storage.write_text(folder / "history.csv", header + "".join(lines))
    provenance = {
        "n_real": n_real,
        "n_synthetic": n_synthetic,
        "unet": dataclasses.asdict(run.config.unet),
        "files": storage.hash_files(
            folder, ("cases.csv", "history.csv", "predictions.npz")
        ),
    }
    storage.write_record(folder / "provenance.json", provenance)
    return rows


@functools.cache
def _pairs(seed: int, count: int = N_SYNTHETIC) -> tuple[ByteArray, MaskArray]:
    cases = make_phantoms(count, seed=seed, size=SIZE)
    images = np.stack([np.rint(case.image) for case in cases]).astype(np.uint8)
    return images, np.stack([case.mask for case in cases])
