"""Finished work of other settings is kept aside, comes back, and is never mixed."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import Config, DataConfig
from tfgansynth.experiment.experiment_data import Experiment, load_experiment_data
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.planning.requests import table_request
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import storage

CONFIG = dataclasses.replace(
    PRESETS["smoke"],
    reduced=True,
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=4),
)
OTHER = dataclasses.replace(CONFIG, unet=dataclasses.replace(CONFIG.unet, maps=4))
DATA = load_experiment_data(CONFIG, None)
RUN = "phantoms-reduced-smoke-seed0"


def opened(out: Path, config: Config = CONFIG) -> Experiment:
    return DATA.experiment(config, out).open()


def stages(experiment: Experiment) -> tuple[PlannedStage, ...]:
    config = experiment.config
    request = table_request(config, "paper", control=False, assessed=False)
    return experiment.plan([1], request).stages


def finish(experiment: Experiment) -> None:
    """Make up all stages of fold 1 that are not there."""
    for stage in stages(experiment):
        folder = experiment.run.root / stage.name
        seal = "manifest.json" if "synthetic" in stage.name else "provenance.json"
        if not folder.exists():
            storage.write_record(folder / seal, stage.record)
            experiment.run.add_seconds({stage.name: 5.0, f"{stage.name}/steps": 4.0})
            experiment.run.add_machine(
                stage.name, {"processor": "A"}, precision="float32", done=0
            )


def seals(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*.json"))
        if path.name in ("provenance.json", "manifest.json")
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    experiment = opened(tmp_path)
    finish(experiment)
    (experiment.run.root / "table.md").write_text("three regimes")
    return experiment.run.root


def test_the_same_settings_change_nothing(run: Path) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*.json")}
    opened(run.parent)
    assert {p: p.read_bytes() for p in run.rglob("*.json")} == before


def test_other_settings_keep_what_they_do_not_bear_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = seals(run)
    other = opened(run.parent, OTHER)

    (aside,) = (run / "superseded").iterdir()
    said = capsys.readouterr().out
    assert "Settings: unet.maps: 4 against 8: finished work of the earlier" in said
    assert f"settings (3 stages) is kept in {aside}" in said
    assert (run / "fold-1/gan").exists()
    assert (run / "fold-1/synthetic").exists()
    assert not list((run / "fold-1").glob("unet-*"))
    # The table was of these U-Nets.
    assert (aside / "table.md").read_text() == "three regimes"
    assert not (run / "table.md").exists()
    assert set(other.run.seconds()) == {
        *("fold-1/gan", "fold-1/gan/steps"),
        *("fold-1/synthetic", "fold-1/synthetic/steps"),
    }
    kept = {**seals(run / "fold-1"), **seals(aside / "fold-1")}
    assert {f"fold-1/{name}": seal for name, seal in kept.items()} == before
    recorded = storage.read_record(run / "config.json")
    assert recorded["config"]["unet"]["maps"] == 4


def test_with_the_earlier_settings_everything_comes_back(run: Path) -> None:
    before, seconds = seals(run), opened(run.parent).run.seconds()
    finish(opened(run.parent, OTHER))
    of_other = seals(run / "fold-1")
    again = opened(run.parent)

    assert {k: v for k, v in seals(run).items() if "superseded" not in k} == before
    assert again.run.seconds() == seconds
    log = storage.read_record(run / "machine.json")
    (attempt,) = log["stages"]["fold-1/unet-r4-s0"]
    assert log["machines"][attempt["machine"]]["processor"] == "A"
    opened(run.parent, OTHER)
    assert seals(run / "fold-1") == of_other


def test_a_move_that_was_interrupted_is_completed(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfgansynth.experiment import superseded

    before, move = seals(run), superseded._move
    moved: list[Path] = []

    def interrupted(source: Path, target: Path) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(source)
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(superseded, "_move", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(run.parent, OTHER)
    # By the earlier command: all is back. By the other: all is aside.
    opened(run.parent)
    assert {k: v for k, v in seals(run).items() if "superseded" not in k} == before
    opened(run.parent, OTHER)
    assert len(list((run / "fold-1").iterdir())) == 2


def test_what_another_run_has_left_is_not_moved(run: Path) -> None:
    """It is refused where it is used."""
    path = run / "fold-1/unet-r4-s0/provenance.json"
    record = {**storage.read_record(path), "identity": "of another run"}
    storage.write_record(path, record)
    opened(run.parent, OTHER)
    assert storage.read_record(path) == record


def test_sets_of_another_gan_are_kept_aside_too(run: Path) -> None:
    extra = run / "fold-1/synthetic-5/manifest.json"
    own = storage.read_record(run / "fold-1/synthetic/manifest.json")
    storage.write_record(extra, {"inputs": own["inputs"]})
    gan: dict[str, Any] = {"steps": 7}
    other = dataclasses.replace(CONFIG, gan=dataclasses.replace(CONFIG.gan, **gan))
    opened(run.parent, other)
    assert not extra.exists()
    assert (run / "fold-1/unet-r4-s0").exists()
    assert list(run.glob("superseded/*/fold-1/synthetic-5/manifest.json"))
