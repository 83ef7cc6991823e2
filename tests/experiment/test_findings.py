from tests.reporting.cards.records import assessment, evidence
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.findings import findings_of_generator
from tfgansynth.reporting.cards.findings import Findings
from tfgansynth.runtime import storage


def test_a_generator_is_judged_by_the_set_that_it_has_drawn(
    experiment: Experiment,
) -> None:
    root, fold = experiment.run.root, experiment.fold(1)
    own = storage.hash_file(root / "fold-1/synthetic/manifest.json")
    path = root / "fold-1/assessment/assessment.json"
    storage.write_record(path, assessment(own))
    storage.write_record(root / "evidence.json", evidence(root.name))

    found = findings_of_generator(experiment, fold, "00ff")

    assert "**passed**" in found.assessment
    assert "mixed helps against real only" in found.evaluation
    # That set is of no other generator.
    assert findings_of_generator(experiment, fold, "00fe") == Findings()


def test_nothing_is_found_where_nothing_was_drawn(experiment: Experiment) -> None:
    assert findings_of_generator(experiment, experiment.fold(2), "00ff") == Findings()


def test_results_of_other_folds_are_not_told(experiment: Experiment) -> None:
    root = experiment.run.root
    storage.write_record(root / "evidence.json", evidence(root.name, folds=(2, 3)))

    found = findings_of_generator(experiment, experiment.fold(1), "00ff")

    assert found == Findings()
