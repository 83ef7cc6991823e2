"""The whole chain over folds, and the tables that grow from it. Paper: IV-C."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfgansynth import storage
from tfgansynth.data.sealed import FoldCases
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.evidence import (
    EvaluatedUNet,
    Evidence,
    evidence_to_json,
    evidence_to_markdown,
    evidence_to_text,
    weigh,
)
from tfgansynth.experiment.assessment import assess_fold
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.origins import gan_origin
from tfgansynth.experiment.recipes import Arms, Recipe, paper_recipes, recipes
from tfgansynth.experiment.synthesis_stage import (
    ensure_filtered_set,
    ensure_synthetic_set,
)
from tfgansynth.experiment.unet_stage import ensure_unet, unet_remarks
from tfgansynth.gan.records import read_remarks
from tfgansynth.materials import Experiment
from tfgansynth.runs import Run
from tfgansynth.stopwatch import stages_table

EVIDENCE = "evidence.json"
"""All rows and verdicts, in the folder of the run, or of the study of several."""


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluated:
    """One trained U-Net and what it answered.

    Attributes:
        experiment: Its run.
        fold: Its fold.
        recipe: What it was trained on.
        rows: Its test cases.
    """

    experiment: Experiment
    fold: FoldCases
    recipe: Recipe
    rows: list[tables.CaseRow]


def run_study(
    experiments: Iterable[Experiment],
    fold_numbers: Sequence[int] | None,
    arms: Arms,
    n_seeds: int,
    *,
    assessed: bool = False,
) -> Path:
    """Run the whole chain over folds and seeds; print and write results as they come.

    Args:
        experiments: One run a seed, ascending.
        fold_numbers: The folds; None for all.
        arms: Which rows.
        n_seeds: How many runs there will be.
        assessed: Also assess each fold's synthetic set, after its rows.

    Returns:
        The folder that has the evidence: the run's own if there is only one.
    """
    tested: list[Evaluated] = []
    for experiment in experiments:
        numbers = fold_numbers or [fold.number for fold in experiment.folds]
        folds = [experiment.fold(number) for number in sorted(set(numbers))]
        own: list[Evaluated] = []
        for unet in _chain(experiment, folds, arms, assessed=assessed):
            own.append(unet)
            if unet.recipe in _paper_rows(unet):
                print(f"\n{tables.to_text(_write_table(experiment, folds, own))}")
        tested += own
        folder = study_folder(tested[0].experiment.run, n_seeds)
        print(f"\n{evidence_to_text(_write_evidence(tested, folder))}")
        print(stages_table(experiment.run.seconds()))
    return folder


def study_folder(run: Run, n_seeds: int) -> Path:
    """The folder of what several seeds have shown together: `...-seeds0-1`.

    Args:
        run: That of the first seed.
        n_seeds: How many seeds; one needs no folder but the run's.
    """
    if n_seeds == 1:
        return run.root
    seed = run.config.seed
    name = run.root.name.replace(f"-seed{seed}", f"-seeds{seed}-{seed + n_seeds - 1}")
    return run.root.with_name(name)


def _chain(
    experiment: Experiment, folds: Sequence[FoldCases], arms: Arms, *, assessed: bool
) -> Iterator[Evaluated]:
    """Do what is not done yet, U-Net after U-Net."""
    for fold in folds:
        ensure_gan(experiment, fold)
        ensure_synthetic_set(experiment, fold)
        if experiment.config.synthesis.min_agreement:
            ensure_filtered_set(experiment, fold)
        for table in recipes(experiment.config, len(fold.training), arms):
            for recipe in table:
                rows = ensure_unet(experiment, fold, recipe)
                yield Evaluated(experiment, fold, recipe, rows)
        if assessed:
            assess_fold(experiment, fold)


def _paper_rows(unet: Evaluated) -> list[Recipe]:
    n_synthetic = unet.experiment.config.synthesis.count
    return paper_recipes(len(unet.fold.training), n_synthetic)


def _write_table(
    experiment: Experiment, folds: Sequence[FoldCases], tested: Sequence[Evaluated]
) -> tables.Table:
    """Write the paper's rows of one run beside the paper's figures."""
    config, data, root = experiment.config, experiment.data, experiment.run.root
    of_paper = [unet for unet in tested if unet.recipe in _paper_rows(unet)]
    table = tables.Table(
        title=(
            "Table II: the reduced training set"
            if config.reduced
            else "Table I: the full training set"
        ),
        dataset_name=data.name,
        is_phantom=data.is_phantom,
        is_paper_data=data.is_paper_data,
        target=_target(experiment),
        image_size=config.data.size,
        reduced=config.reduced,
        preset=config.preset,
        seed=config.seed,
        folds=tuple(fold.number for fold in folds),
        n_test_cases=sum(len(fold.test) for fold in folds),
        rows=tables.aggregate(row for unet in of_paper for row in unet.rows),
        remarks=_remarks(of_paper),
    )
    record = {**tables.to_json(table), "dataset": data.record()}
    storage.write_json(root / "table.json", record)
    storage.write_text(root / "table.csv", tables.to_csv(table))
    storage.write_text(root / "table.md", tables.to_markdown(table))
    return table


def weigh_evidence(tested: Sequence[Evaluated]) -> Evidence:
    """Judge each pair of rows, over all folds and seeds so far."""
    first = tested[0].experiment
    config = first.config
    runs = {unet.experiment.run.root: unet.experiment for unet in tested}
    seeds = ", ".join(str(experiment.config.seed) for experiment in runs.values())
    folds = ", ".join(map(str, sorted({unet.fold.number for unet in tested})))
    size = config.data.size
    return weigh(
        (
            EvaluatedUNet(
                seed=unet.experiment.config.seed,
                table=_title(unet),
                arm=unet.recipe.name,
                rows=unet.rows,
            )
            for unet in tested
        ),
        context=(
            f"{first.data.name}, {_target(first)}, {size} x {size} px, "
            f"{'reduced' if config.reduced else 'full'} training set; preset "
            f"{config.preset}; seeds {seeds}; folds {folds}"
        ),
        is_phantom=first.data.is_phantom,
        margin=config.evaluation.equivalence_margin,
        remarks=_remarks(tested),
    )


def _write_evidence(tested: Sequence[Evaluated], folder: Path) -> Evidence:
    evidence = weigh_evidence(tested)
    first = tested[0].experiment
    runs = dict.fromkeys(unet.experiment.run.root.name for unet in tested)
    folder.mkdir(exist_ok=True)
    record = {
        **evidence_to_json(evidence),
        "runs": list(runs),
        "folds": sorted({unet.fold.number for unet in tested}),
        "dataset": first.data.record(),
        "unets": [
            {
                "run": unet.experiment.run.root.name,
                "fold": unet.fold.number,
                "folder": unet.recipe.folder_name,
                "table": _title(unet),
                "arm": unet.recipe.name,
            }
            for unet in tested
        ],
    }
    storage.write_record(folder / EVIDENCE, record)
    storage.write_text(folder / "evidence.md", evidence_to_markdown(evidence))
    return evidence


def _title(unet: Evaluated) -> str:
    if unet.recipe.schedule == "paper":
        return "The paper's rows: trained until its rule ends it"
    steps = unet.experiment.config.evaluation.fair_steps
    return f"Fair rows: {steps} mini-batches each"


def _target(experiment: Experiment) -> str:
    lungs = experiment.config.lungs
    return {"both": "both lungs"}.get(lungs, f"{lungs} lung")


def _remarks(tested: Sequence[Evaluated]) -> tuple[str, ...]:
    """What went amiss with the data or in the trainings behind some rows."""
    runs = {unet.experiment.run.root: unet.experiment for unet in tested}
    found = [line for each in runs.values() for line in each.duplicates_remark]
    told = set()
    for unet in tested:
        experiment, fold = unet.experiment, unet.fold
        seed = f"seed {experiment.config.seed}, " if len(runs) > 1 else ""
        where = f"{seed}fold {fold.number}"
        if where not in told:
            told.add(where)
            gan = read_remarks(
                experiment.run.gan(fold.number),
                experiment.config.gan,
                gan_origin(experiment, fold),
            )
            found += [f"{where}, GAN: {remark}" for remark in gan]
        found += [
            f"{where}, {unet.recipe.label}: {remark}"
            for remark in unet_remarks(experiment, fold, unet.recipe)
        ]
    return tuple(dict.fromkeys(found))


def summary(rows: Sequence[tables.CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    (row,) = tables.aggregate(rows)
    means = [
        f"{heading} {getattr(row, name).mean:.4f}"
        for name, heading in tables.METRIC_HEADINGS.items()
    ]
    return f"TEST: {row.n_cases} cases, mean {', '.join(means)}"
