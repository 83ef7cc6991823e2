"""A study of two seeds on phantoms, written in seconds: all files, nothing trained."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, Labels
from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.data.dataset import Identity
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.data.splits import Fold
from tfgansynth.evaluation.case_rows import CaseRow, cases_to_csv
from tfgansynth.evaluation.metrics import measure
from tfgansynth.evaluation.predictions import Predictions, write_predictions
from tfgansynth.experiment.run_folder import Run
from tfgansynth.gan.health import History
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.comparisons import make_comparison
from tfgansynth.records.converter import to_json
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.reading.remarks import remarks_behind
from tfgansynth.records.reading.run import read_run
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import CaseList, Remark, Split
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, write_set

SIZE, N_CASES, N_SYNTHETIC = 32, 20, 14
_SMOKE = PRESETS["smoke"]
CONFIG = dataclasses.replace(
    _SMOKE,
    reduced=True,
    data=dataclasses.replace(_SMOKE.data, size=SIZE),
    synthesis=dataclasses.replace(_SMOKE.synthesis, count=N_SYNTHETIC),
)
"""The settings of a run that `write_run` can write."""
REGIMES = {
    Regime(6, 0): 1,
    Regime(6, N_SYNTHETIC): 3,
    Regime(0, N_SYNTHETIC): 4,
    Regime(6, 0, "fixed_budget"): 2,
    Regime(6, N_SYNTHETIC, "fixed_budget"): 2,
    Regime(6, 0, "augmented"): 3,
}
"""By how many pixels the predictions of each are displaced."""
HOSTILE = "case <b>&\"'$x$"
"""A case's name that HTML, SVG and Matplotlib all could take for their own."""
REMARK = Remark(seed=None, fold=None, stage="data", kind="x", text="a <remark> & more")
TRAINING = tuple(f"training-{number}" for number in range(6))
VALIDATION = ("validation-0",)
TEST = (HOSTILE, *(f"case-{number}" for number in range(1, N_CASES)))
CASES = {name: "0" * 64 for name in (*TRAINING, *VALIDATION, *TEST)}
DATASET = Identity("phantoms", "phantom", len(CASES), "ab" * 32)


def write_study(out: Path, seeds: tuple[int, ...] = (0, 1)) -> Path:
    """Write runs of some seeds; return the folder of the comparison of all."""
    roots = [write_run(out, dataclasses.replace(CONFIG, seed=seed)) for seed in seeds]
    folder = roots[0]
    if len(seeds) > 1:
        folder = out / Run.folder_name(
            "phantoms", dataclasses.replace(CONFIG, seed=seeds[0]), len(seeds)
        )
        folder.mkdir()
    runs = [read_run(root) for root in roots]
    unets = [unet for run in runs for unet in run.regime_unets]
    remarks = [each for run in runs for each in remarks_behind(run, run.regime_unets)]
    converter.write(
        folder / "comparison.json", make_comparison(unets, [REMARK, *remarks])
    )
    return folder


def write_run(
    out: Path, config: Config, regimes: Sequence[Regime] = tuple(REGIMES)
) -> Path:
    """Write a run with one finished fold; return its folder."""
    root = out / Run.folder_name("phantoms", config)
    run = Run(root, config).open(CaseList(CASES))
    fold = Fold(1, TRAINING, TRAINING, VALIDATION, TEST)
    converter.write(run.splits_path, Split((fold,)))
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
    for regime in regimes:
        write_unet(run, regime)
    return run.root


def write_unet(run: Run, regime: Regime, fold: int = 1) -> None:
    """Write a finished U-Net."""
    images, truths = _pairs(0, N_CASES)
    predictions = np.roll(truths, REGIMES.get(regime, 1), 1)
    rows = [
        CaseRow(name, measure(prediction > 0, truth > 0))
        for name, prediction, truth in zip(TEST, predictions, truths, strict=True)
    ]
    folder = run.fold(fold) / regime.folder_name
    folder.mkdir(parents=True)
    shown = 0, 5, 9
    write_predictions(
        folder / "predictions.npz",
        Predictions(TEST, predictions, truths, 1, shown, images[list(shown)]),
    )
    counts = regime.n_real, regime.n_synthetic
    storage.write_text(folder / "cases.csv", cases_to_csv(rows, fold, *counts))
    lines = [f"{epoch},0.5,{1 / epoch}\n" for epoch in range(1, 6)]
    header = "epoch,training_error,validation_error\n"
    storage.write_text(folder / "history.csv", header + "".join(lines))
    config = run.config
    provenance = UNetProvenance(
        dataset=DATASET,
        preset=config.preset,
        reduced=config.reduced,
        lungs=config.lungs,
        fold=fold,
        seed=config.seed,
        duplicates=(),
        network_version=NETWORK_VERSIONS["unet"],
        data=config.data,
        augmentation=config.augmentation,
        unet=regime.unet_config(config),
        training_cases={name: CASES[name] for name in TRAINING[: regime.n_real]},
        validation_cases={name: CASES[name] for name in VALIDATION},
        synthetic_set=None,
        regime=regime,
        files=storage.hash_files(
            folder, ("cases.csv", "history.csv", "predictions.npz")
        ),
        stage="segmentation",
        evaluated_on="test",
        inputs={},
        identity="0" * 64,
    )
    storage.write_record(folder / "provenance.json", to_json(provenance))


@functools.cache
def _pairs(seed: int, count: int = N_SYNTHETIC) -> tuple[ByteArray, Labels]:
    cases = make_phantoms(count, seed=seed, size=SIZE)
    images = np.stack([np.rint(case.image) for case in cases]).astype(np.uint8)
    return images, np.stack([case.labels for case in cases]).astype(np.uint8)
