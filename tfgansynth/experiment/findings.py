"""What a run has found of a synthetic set or its generator: for their cards."""

from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import get_args

from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.paths import ASSESSMENT
from tfgansynth.experiment.provenance import Provenance, gan_provenance
from tfgansynth.experiment.results import EVIDENCE
from tfgansynth.experiment.run_folder import SetKind
from tfgansynth.gan.health import read_remarks
from tfgansynth.reporting.cards.findings import (
    NOT_ASSESSED,
    NOT_EVALUATED,
    Findings,
    Record,
    assessment_section,
    evaluation_section,
)
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST, read_manifest

_ASSESSMENTS = f"assessment*/{ASSESSMENT}"
_BEFORE_THE_AUDIT = (
    "Found of the set as it was before the pairs that the audit objects to were "
    "dropped; this set is what was left."
)
_OF_ANOTHER_SET = "These networks were trained on the run's own set, which is another."


def findings_of_set(
    experiment: Experiment, fold: FoldCases, source: Path, manifest: Provenance
) -> Findings:
    """Collect what is known of one synthetic set of a fold.

    Args:
        experiment: The experiment.
        fold: The fold.
        source: The set's folder.
        manifest: The set's manifest.

    Raises:
        InputError: A result was altered or is of another version.
    """
    own = storage.hash_file(source / MANIFEST)
    assessment = _assessment(experiment, fold, own)
    if "audited_manifest_sha256" in manifest and assessment is None:
        before = _assessment(experiment, fold, manifest["audited_manifest_sha256"])
        assessment = before and f"{_BEFORE_THE_AUDIT}\n\n{before}"
    evaluation = _evaluation(experiment, fold)
    if evaluation and own not in _trained_on(experiment, fold):
        evaluation = f"{_OF_ANOTHER_SET}\n\n{evaluation}"
    return Findings(
        assessment=assessment or NOT_ASSESSED,
        evaluation=evaluation or NOT_EVALUATED,
        remarks=_remarks(experiment, fold),
    )


def findings_of_generator(
    experiment: Experiment, fold: FoldCases, generator_sha256: str
) -> Findings:
    """Collect what is known of a fold's generator, by the set it has drawn.

    Raises:
        InputError: A result was altered or is of another version.
    """
    source = experiment.run.synthetic(fold.number)
    if source.exists():
        manifest = read_manifest(source)
        if manifest.get("generator_sha256") == generator_sha256:
            return findings_of_set(experiment, fold, source, manifest)
    return Findings(remarks=_remarks(experiment, fold))


def _assessment(
    experiment: Experiment, fold: FoldCases, manifest_sha256: str
) -> str | None:
    """Render the assessment of the set with this manifest."""
    for path in sorted(experiment.run.fold(fold.number).glob(_ASSESSMENTS)):
        record = storage.read_record(path)
        section = _rendered(path, record, assessment_section)
        if record["synthetic_set"]["manifest_sha256"] == manifest_sha256:
            return section
    return None


def _evaluation(experiment: Experiment, fold: FoldCases) -> str | None:
    """Render what the most runs together show, this one and its fold among them."""
    root = experiment.run.root
    # The folder of a study of several seeds lies beside its runs.
    first, _, rest = root.name.rpartition(f"-seed{experiment.config.seed}")
    studies = f"{escape(first)}-seeds*{escape(rest)}"
    sections = {}
    for path in [root / EVIDENCE, *root.parent.glob(f"{studies}/{EVIDENCE}")]:
        if path.exists():
            record = storage.read_record(path)
            section = _rendered(path, record, evaluation_section)
            if fold.number in record["folds"] and root.name in record["runs"]:
                sections[len(record["runs"])] = section
    return sections[max(sections)] if sections else None


def _trained_on(experiment: Experiment, fold: FoldCases) -> set[str]:
    """Hashes of the manifests of the sets that the run's U-Nets are trained on."""
    folders = (
        experiment.run.synthetic(fold.number, kind) / MANIFEST
        for kind in get_args(SetKind)
    )
    return {storage.hash_file(path) for path in folders if path.exists()}


def _remarks(experiment: Experiment, fold: FoldCases) -> tuple[str, ...]:
    """What went amiss with the data, or in the training of the fold's GAN."""
    folder, config = experiment.run.gan(fold.number), experiment.config.gan
    found = read_remarks(folder, config, gan_provenance(experiment, fold))
    return (*experiment.duplicates_remark, *(f"GAN: {remark}" for remark in found))


def _rendered(path: Path, record: Record, render: Callable[[Record], str]) -> str:
    try:
        return render(record)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise InputError(
            f"{path}: is not of this version ({type(fault).__name__}: {fault}): remove "
            "it to have it made anew"
        ) from fault
