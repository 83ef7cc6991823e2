"""What a run has found of a synthetic set or its generator, as sections of a card."""

import dataclasses
from pathlib import Path

from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.files import ASSESSMENT, COMPARISON, CONFIG
from tfgansynth.records.provenance import GeneratorProvenance, SetManifest
from tfgansynth.records.reading.remarks import (
    data_remarks,
    gan_remarks,
    pseudo_label_remarks,
    split_remarks,
)
from tfgansynth.records.reading.run import read_identity
from tfgansynth.records.regimes import set_names
from tfgansynth.records.runs import remark_lines
from tfgansynth.reporting.assessments import assessment_to_markdown
from tfgansynth.reporting.rendering import render
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST

NOT_ASSESSED = (
    "**Not assessed.** The quality, fidelity and memorization of these pairs have not "
    "been measured: `tfgansynth assess` does it."
)
NOT_EVALUATED = (
    "**Not evaluated.** No segmentation network trained on these pairs has been "
    "compared with one trained without them: `tfgansynth run-table` does it."
)
_BEFORE_THE_AUDIT = (
    "This is the assessment of the set before the pairs that the audit objects to were "
    "dropped; this set is what is left."
)
_OF_ANOTHER_SET = "These networks were trained on the run's own set, which is another."


@dataclasses.dataclass(frozen=True, slots=True)
class CardFindings:
    """Quality of the pairs, gain of segmentation networks, and problems: Markdown."""

    assessment: str = NOT_ASSESSED
    evaluation: str = NOT_EVALUATED
    remarks: tuple[str, ...] = ()


def findings_of_set(root: Path, source: Path, manifest: SetManifest) -> CardFindings:
    """Collect what a run folder knows of the synthetic set in the folder `source`.

    Raises:
        InputError: A result was altered or is of another version.
    """
    fold = manifest.fold
    own = storage.hash_file(source / MANIFEST)
    assessment = _assessment(root, fold, own)
    if manifest.audited_manifest_sha256 and assessment is None:
        before = _assessment(root, fold, manifest.audited_manifest_sha256)
        assessment = before and f"{_BEFORE_THE_AUDIT}\n\n{before}"
    evaluation = _evaluation(root, fold)
    if evaluation and own not in _trained_on(root, fold):
        evaluation = f"{_OF_ANOTHER_SET}\n\n{evaluation}"
    return CardFindings(
        assessment=assessment or NOT_ASSESSED,
        evaluation=evaluation or NOT_EVALUATED,
        remarks=_remarks(root, manifest),
    )


def findings_of_generator(root: Path, generator: GeneratorProvenance) -> CardFindings:
    """Collect what a run folder knows of its generator, by the set it has drawn.

    Raises:
        InputError: A result was altered or is of another version.
    """
    source = root / f"fold-{generator.fold}" / set_names()["plain"]
    if source.exists():
        manifest = converter.read(source / MANIFEST, SetManifest)
        if manifest.generator_sha256 == generator.generator_sha256:
            return findings_of_set(root, source, manifest)
    return CardFindings(remarks=_remarks(root, generator))


def evaluation_section(comparison: Comparison) -> str:
    """Render the regimes and verdicts of an experiment."""
    remarks = remark_lines(comparison.remarks, n_seeds=len(comparison.seeds))
    return render("evaluation.md.jinja", comparison=comparison, remarks=remarks)


def _assessment(root: Path, fold: int, manifest_sha256: str) -> str | None:
    """Render the assessment of the set with this manifest."""
    for path in sorted((root / f"fold-{fold}").glob(f"*/{ASSESSMENT}")):
        assessment = converter.read(path, Assessment)
        if assessment.synthetic_set.manifest_sha256 == manifest_sha256:
            return assessment_to_markdown(assessment)
    return None


def _evaluation(root: Path, fold: int) -> str | None:
    """Render what the most runs together show, this one and its fold among them."""
    own = root / COMPARISON
    # The folder of a study of several seeds lies beside its runs, and is no run.
    studies = (
        path
        for path in sorted(root.parent.glob(f"*/{COMPARISON}"))
        if not path.with_name(CONFIG).exists()
    )
    found = {}
    for path in [*([own] if own.exists() else []), *studies]:
        comparison = converter.read(path, Comparison)
        if fold in comparison.folds and root.name in comparison.runs:
            found[len(comparison.runs)] = comparison
    return evaluation_section(found[max(found)]) if found else None


def _trained_on(root: Path, fold: int) -> set[str]:
    """Hashes of the manifests of the sets that the run's U-Nets are trained on."""
    folder = root / f"fold-{fold}"
    paths = (folder / name / MANIFEST for name in set_names().values())
    return {storage.hash_file(path) for path in paths if path.exists()}


def _remarks(root: Path, generator: GeneratorProvenance) -> tuple[str, ...]:
    """Problems with the data, or in the trainings behind the fold's sets."""
    run = read_identity(root)
    found = [
        *data_remarks(generator.dataset, generator.duplicates),
        *split_remarks(run.folds, reduced=run.config.reduced),
        *gan_remarks(run, generator.fold),
        *pseudo_label_remarks(run, generator.fold),
    ]
    return tuple(remark_lines(found, n_seeds=1))
