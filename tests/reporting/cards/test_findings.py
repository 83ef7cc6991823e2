from pathlib import Path

from tests.reporting.made import assessment, comparison
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.records import converter
from tfgansynth.records.provenance import GeneratorProvenance, SetManifest
from tfgansynth.reporting.cards.findings import CardFindings, findings_of_generator
from tfgansynth.runtime import storage


def generator(root: Path, sha256: str = "00ff", fold: int = 1) -> GeneratorProvenance:
    path = root / "fold-1/synthetic/manifest.json"
    content = {**storage.read_record(path), "generator_sha256": sha256, "fold": fold}
    return converter.from_json(SetManifest, content, path)


def test_a_generator_is_judged_by_the_set_that_it_has_drawn(
    experiment: Experiment,
) -> None:
    root = experiment.run.root
    own = storage.hash_file(root / "fold-1/synthetic/manifest.json")
    converter.write(root / "fold-1/assessment/assessment.json", assessment(own))
    converter.write(root / "comparison.json", comparison(root.name))

    found = findings_of_generator(root, generator(root))

    assert "**passed**" in found.assessment
    assert "mixed against real only: a lot" in found.evaluation
    # That set is of no other generator.
    other = findings_of_generator(root, generator(root, "00fe"))
    assert other == CardFindings(remarks=other.remarks)


def test_nothing_is_found_where_nothing_was_drawn(experiment: Experiment) -> None:
    root = experiment.run.root
    found = findings_of_generator(root, generator(root, fold=2))
    assert found == CardFindings(remarks=found.remarks)


def test_results_of_other_folds_are_not_told(experiment: Experiment) -> None:
    root = experiment.run.root
    converter.write(root / "comparison.json", comparison(root.name, folds=(2, 3)))

    found = findings_of_generator(root, generator(root))
    assert found == CardFindings(remarks=found.remarks)
    (remark,) = found.remarks
    assert remark.startswith("a fold has only 6 training cases")
