"""The whole chain over folds, and the table that grows from it. Paper: IV-C."""

from collections.abc import Sequence

from tfgansynth import storage
from tfgansynth.data.sealed import FoldCases
from tfgansynth.evaluation import tables
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.synthesis_stage import ensure_synthetic_set
from tfgansynth.experiment.unet_stage import ensure_unet, unet_remarks
from tfgansynth.gan.records import read_remarks
from tfgansynth.materials import Experiment
from tfgansynth.stopwatch import stages_table


def arms(experiment: Experiment, fold: FoldCases) -> list[tuple[int, int]]:
    """The rows of the paper's tables as (n_real, n_synthetic). Paper: IV-C."""
    n_real = len(fold.training)
    n_synthetic = experiment.config.synthesis.count
    return [(n_real, 0), (n_real, n_synthetic), (0, n_synthetic)]


def run_table(experiment: Experiment, fold_numbers: Sequence[int]) -> tables.Table:
    """Run the whole chain over some folds; print and write the table as it grows."""
    folds = [experiment.fold(number) for number in sorted(set(fold_numbers))]
    rows: list[tables.CaseRow] = []
    for fold in folds:
        ensure_gan(experiment, fold)
        ensure_synthetic_set(experiment, fold)
        for n_real, n_synthetic in arms(experiment, fold):
            rows += ensure_unet(experiment, fold, n_real, n_synthetic)
            table = _write_table(experiment, folds, rows)
            print(f"\n{tables.to_text(table)}")
    print(stages_table(experiment.run.seconds()))
    return table


def _write_table(
    experiment: Experiment, folds: Sequence[FoldCases], rows: Sequence[tables.CaseRow]
) -> tables.Table:
    config, data, root = experiment.config, experiment.data, experiment.run.root
    table = tables.Table(
        title=(
            "Table II: the reduced training set"
            if config.reduced
            else "Table I: the full training set"
        ),
        dataset_name=data.name,
        is_phantom=data.is_phantom,
        is_paper_data=data.is_paper_data,
        target={"both": "both lungs"}.get(config.lungs, f"{config.lungs} lung"),
        image_size=config.data.size,
        reduced=config.reduced,
        preset=config.preset,
        seed=config.seed,
        folds=tuple(fold.number for fold in folds),
        n_test_cases=sum(len(fold.test) for fold in folds),
        rows=tables.aggregate(rows),
        remarks=_remarks(experiment, folds, rows),
    )
    record = {**tables.to_json(table), "dataset": data.record()}
    storage.write_json(root / "table.json", record)
    storage.write_text(root / "table.csv", tables.to_csv(table))
    storage.write_text(root / "table.md", tables.to_markdown(table))
    return table


def _remarks(
    experiment: Experiment, folds: Sequence[FoldCases], rows: Sequence[tables.CaseRow]
) -> tuple[str, ...]:
    """What went amiss in the trainings behind some rows, by fold and network."""
    found: list[str] = []
    for fold in folds:
        of_fold = [row for row in rows if row.fold == fold.number]
        counts = dict.fromkeys((row.n_real, row.n_synthetic) for row in of_fold)
        if not counts:
            continue
        gan = read_remarks(experiment.run.gan(fold.number), experiment.config.gan)
        found += [f"fold {fold.number}, GAN: {remark}" for remark in gan]
        for n_real, n_synthetic in counts:
            found += [
                f"fold {fold.number}, {n_real} real + {n_synthetic} synthetic: {remark}"
                for remark in unet_remarks(experiment, fold, n_real, n_synthetic)
            ]
    return tuple(found)


def summary(rows: Sequence[tables.CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    (row,) = tables.aggregate(rows)
    means = [
        f"{heading} {getattr(row, name).mean:.4f}"
        for name, heading in tables.METRIC_HEADINGS.items()
    ]
    return f"TEST: {row.n_cases} cases, mean {', '.join(means)}"
