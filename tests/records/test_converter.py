"""Records are read strictly: what is missing, unknown or of another type is named."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import Config, EvaluationConfig
from tfgansynth.data.dataset import Identity
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.runs import CaseList, MachineLog, Split

PATH = Path("run/config.json")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_configuration_is_read_back(preset: str) -> None:
    content = json.loads(json.dumps(to_json(PRESETS[preset])))
    assert from_json(Config, content, PATH) == PRESETS[preset]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["gan"].pop("steps"), "without steps: gan"),
        (lambda c: c["gan"].update(steps="7"), "expected an integer, got str: gan.st"),
        (lambda c: c["gan"].update(steps=True), "an integer, got bool: gan.steps"),
        (lambda c: c["gan"].update(steps=7.0), "an integer, got float: gan.steps"),
        (lambda c: c["gan"].update(more=1), "Extra fields .*: more: gan"),
        (lambda c: c.update(gan=3), "expected an object, got int: gan"),
        (lambda c: c.update(lungs="none"), "none not in literal .*: lungs"),
        (lambda c: c["gan"].update(generator_maps="12"), "expected a list, got str"),
        (lambda c: c["gan"].update(generator_maps=["a"]), "an integer, got str"),
        (lambda c: c.update(reduced=1), "expected true or false, got int: reduced"),
        (lambda c: c.update(target="a/b"), "--target a/b: expected letters a to z"),
    ],
)
def test_what_is_of_another_form_is_named(
    change: Callable[[Any], object], words: str
) -> None:
    content = json.loads(json.dumps(to_json(PRESETS["best"])))
    change(content)
    form = r"^run/config.json: is not of the form that this version writes \("
    with pytest.raises(InputError, match=f"{form}.*{words}"):
        from_json(Config, content, PATH)


def test_one_budget_is_written_as_it_always_was() -> None:
    evaluation = PRESETS["smoke"].evaluation
    assert to_json(evaluation)["budget_steps"] == 40
    several = dataclasses.replace(evaluation, budgets=(40, 160))
    content = json.loads(json.dumps(to_json(several)))
    assert content["budget_steps"] == [40, 160]
    assert from_json(EvaluationConfig, content, PATH) == several
    for wrong in ("40", [], [40, "160"], [0], 0, None):
        with pytest.raises(InputError, match="is not of the form"):
            from_json(EvaluationConfig, {**content, "budget_steps": wrong}, PATH)


@pytest.mark.parametrize("content", [None, 3, "text", [], [1], {"folds": 3}])
def test_anything_else_is_refused(content: Any) -> None:
    with pytest.raises(InputError, match="is not of the form"):
        from_json(Split, content, PATH)


def test_a_record_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    converter.write(path, CaseList({"a": "00"}))
    assert converter.read(path, CaseList) == CaseList({"a": "00"})
    path.write_text(path.read_text().replace("00", "01"))
    with pytest.raises(InputError, match="was altered"):
        converter.read(path, CaseList)


def test_numbers_are_not_converted() -> None:
    content = {
        "machines": [],
        "stages": {"a": [{"after": 2, "precision": "x", "machine": 0}]},
    }
    assert to_json(from_json(MachineLog, content, PATH)) == content
    timings = from_json(dict[str, float], {"a": 3, "b": 0.5}, PATH)
    assert [type(value) for value in timings.values()] == [int, float]


def test_enumerations_are_read_back_as_such() -> None:
    assert from_json(TrainingSet, "mixed", PATH) is TrainingSet.MIXED
    with pytest.raises(InputError, match="is not of the form"):
        from_json(TrainingSet, "none", PATH)


def test_records_of_before_targets_are_of_lungs_and_stay_as_they_are() -> None:
    old = {"name": "clinic", "layout": "folder", "n_cases": 9, "sha256": "00"}

    identity = from_json(Identity, old, PATH)

    assert identity.target == "lungs"
    assert identity.target_words("left") == "left lung"
    assert to_json(identity) == identity.record() == old
    named = dataclasses.replace(identity, target="nerve")
    assert to_json(named) == named.record() == {**old, "target": "nerve"}
    assert from_json(Identity, named.record(), PATH) == named
    content = to_json(PRESETS["paper"])
    assert not {"target", "paper_figures"} & content.keys()
    assert from_json(Config, content, PATH).target == ""
    for target in ("", "<b>", "a|b", "a\nb", "../a", "background", "a" * 41):
        with pytest.raises(InputError, match="expected letters a to z"):
            from_json(Identity, {**old, "target": target}, PATH)
