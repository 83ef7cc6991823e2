"""Commands that run single stages of a fold."""

import dataclasses
from pathlib import Path
from typing import Literal

from tfgansynth import ranges
from tfgansynth.cli.command import load, require_there
from tfgansynth.cli.failures import DONE, FAILED
from tfgansynth.cli.options import FoldOptions, RunOptions
from tfgansynth.config import EvaluationConfig, SynthesisConfig
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainGAN(FoldOptions):
    """Train the GAN of one fold.

    Ctrl-C stops it; the same command continues. TensorBoard shows it:
    tensorboard --logdir saved_models
    """


def train_gan(options: TrainGAN) -> None:
    """Train."""
    from tfgansynth.planning.requests import Request

    loaded = load(options)
    part = loaded.start_one(lambda _: Request(gan=True), options.fold)
    if part:
        loaded.finish(part)
        print(f"GAN: {part.experiment.run.gan(options.fold)}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainUNet(FoldOptions):
    """Train one U-Net and evaluate it on the fold's test cases."""

    real: ranges.CountOrZero
    """Real training pairs."""
    synthetic: ranges.CountOrZero
    """Synthetic training pairs, from the fold's synthetic set."""
    schedule: Literal["paper", "fixed_budget", "augmented"] = "paper"
    """The paper's stopping rule; the fixed-budget regimes' number of steps; the same
    with classical augmentation."""


def train_unet(options: TrainUNet) -> None:
    """Train and evaluate."""
    from tfgansynth.planning.graph import Kind
    from tfgansynth.planning.requests import Request
    from tfgansynth.records.regimes import Regime

    regime = Regime(options.real, options.synthetic, options.schedule)
    loaded = load(options)
    part = loaded.start_one(
        lambda _: Request(regimes=[regime]), options.fold, {Kind.SEGMENTATION}
    )
    if part:
        from tfgansynth.evaluation.case_rows import read_cases
        from tfgansynth.evaluation.predictions import CASES
        from tfgansynth.experiment.stages.results import summary
        from tfgansynth.reporting.outputs import write_outputs

        loaded.finish(part)
        write_outputs([part.experiment.run.root], part.experiment.run.root)
        (stage,) = part.plan.stages
        folder = part.experiment.run.root / stage.name
        counts = regime.n_real, regime.n_synthetic
        rows = read_cases(folder / CASES, stage.fold, *counts)
        print(f"Test cases: {summary(rows)}\nU-Net: {folder}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Synthesize(RunOptions):
    """Draw a synthetic set: images/, masks/, manifest.json, contact_sheet.png.

    From the GAN that train-gan or run-table has trained.
    """

    count: ranges.Cases | None = None
    """Pairs to draw. Without it, --synthesis.count pairs: the run's own set, which
    the table trains on, and with --synthesis.min-agreement the filtered one too. Sets
    of another size lie beside it."""
    generator: Path | None = None
    """Draw from this exported generator instead of the fold's GAN: the folder that
    export-generator writes, whose weights are read and which runs nothing; or the
    folder of any other SavedModel. A SavedModel is a program: use only those from
    people you trust."""
    synthesis: SynthesisConfig = dataclasses.field(default_factory=SynthesisConfig)


def synthesize(options: Synthesize) -> None:
    """Draw."""
    from tfgansynth.planning.graph import Kind
    from tfgansynth.planning.requests import Request, drawn_kinds

    require_there(generator=options.generator)
    own = options.config.synthesis.count
    count = own if options.count is None else options.count
    is_own = options.generator is None and count == own
    ensembles = {Kind.PSEUDO_LABELS, Kind.CROSS_FIT} if is_own else {Kind.PSEUDO_LABELS}
    drawn = drawn_kinds(options.config)
    kinds = drawn if is_own else drawn[:1]
    loaded = load(options)
    part = loaded.start_one(
        lambda _: Request(sets=kinds),
        options.fold,
        {*ensembles, Kind.SET} if is_own else ensembles,
    )
    if part is None:
        return
    from tfgansynth.experiment.stages.synthetic_sets import draw_separate_set

    experiment, fold = part.experiment, part.experiment.fold(options.fold)
    loaded.finish(part)
    folders = [experiment.run.synthetic(options.fold, kind) for kind in kinds]
    if not is_own:
        folder, found = draw_separate_set(experiment, fold, count, options.generator)
        print(found.text)
        folders = [folder]
    for folder in folders:
        print(f"Set: {folder}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Assess(RunOptions):
    """Assess a fold's synthetic set, and audit it for copies of training cases.

    Exit code 1 says that the audit was not passed: do not hand the set on.
    """

    set: Path | None = None
    """Assess the set in this folder, of the same fold, instead of the run's own; the
    result is printed only."""
    drop: bool = False
    """Also write the run's own set without the pairs that the audit flags:
    synthetic-audited/."""
    synthesis: SynthesisConfig = dataclasses.field(default_factory=SynthesisConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)


def assess(options: Assess) -> int:
    """Assess."""
    from tfgansynth.planning.graph import Kind
    from tfgansynth.planning.requests import Request, drawn_kinds

    require_there(set=options.set)
    if options.set and options.drop:
        raise InputError("--drop: works on the run's own set: leave out --set")
    kinds = {Kind.CROSS_FIT} if options.set else {Kind.CROSS_FIT, Kind.ASSESSMENT}
    loaded = load(options)
    part = loaded.start_one(
        lambda _: Request(assessments=drawn_kinds(options.config)), options.fold, kinds
    )
    if part is None:
        return DONE
    from tfgansynth.experiment.stages import assessment
    from tfgansynth.experiment.stages.fold_sets import read_fold_set
    from tfgansynth.reporting.assessments import assessment_to_text
    from tfgansynth.runtime.timing import Timer

    experiment, fold = part.experiment, part.experiment.fold(options.fold)
    # What cannot be assessed is refused before an ensemble is trained for it.
    stages = part.plan.only({Kind.ASSESSMENT}).stages
    own = [experiment.run.synthetic(stage.fold, stage.set_kind) for stage in stages]
    for source in [options.set] if options.set else own:
        read_fold_set(experiment, fold, source)
    loaded.finish(part)
    if options.set:
        found = assessment.assess(experiment, fold, options.set, Timer())
        print(assessment_to_text(found.record, found.flagged))
        return DONE if found.passed else FAILED
    all_found = [
        assessment.read_assessment(experiment.run.root / stage.name, fold)
        for stage in stages
    ]
    for found in all_found:
        print(assessment_to_text(found.record, found.flagged))
    if options.drop:
        print(f"Audited set: {assessment.drop_flagged(experiment, fold, all_found[0])}")
    return DONE if all(found.passed for found in all_found) else FAILED
