import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tfgansynth import storage
from tfgansynth.config import PRESETS, Config
from tfgansynth.errors import InputError
from tfgansynth.runs import Run

SMOKE = PRESETS["smoke"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "phantoms-full-smoke-seed0"),
        ({"reduced": True}, "phantoms-reduced-smoke-seed0"),
        ({"seed": 12}, "phantoms-full-smoke-seed12"),
        ({"lungs": "left"}, "phantoms-full-smoke-seed0-left"),
        (
            {"lungs": "right", "reduced": True, "preset": "paper"},
            "phantoms-reduced-paper-seed0-right",
        ),
    ],
)
def test_folder_is_named_after_data_set_and_run(
    changes: dict[str, Any], name: str
) -> None:
    config = dataclasses.replace(SMOKE, **changes)
    assert Run.folder_name("phantoms", config) == name


def open_run(out: Path, config: Config = SMOKE, dataset_hash: str = "abc") -> Run:
    return Run.open(out, config, dataset_name="phantoms", dataset_hash=dataset_hash)


def test_run_is_created_and_opened_again(tmp_path: Path) -> None:
    run = open_run(tmp_path / "out")
    assert run.root == tmp_path / "out" / "phantoms-full-smoke-seed0"
    record = json.loads((run.root / "config.json").read_text())
    assert record["dataset"] == {"name": "phantoms", "hash": "abc"}
    assert record["config"]["gan"]["z_dim"] == SMOKE.gan.z_dim
    assert record["config"]["gan"]["generator_maps"] == list(SMOKE.gan.generator_maps)
    assert open_run(tmp_path / "out") == run


def test_run_with_other_settings_is_refused_and_they_are_named(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    before = (run.root / "config.json").read_bytes()
    other = dataclasses.replace(
        SMOKE,
        gan=dataclasses.replace(SMOKE.gan, steps=777, generator_maps=(8, 8)),
        unet=dataclasses.replace(SMOKE.unet, keep="last"),
    )
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path, other)
    message = str(refusal.value)
    assert f"{run.root}: holds a run with other settings" in message
    assert f"config.gan.steps: 777 against {SMOKE.gan.steps}" in message
    assert "config.gan.generator_maps: [8, 8] against [64" in message
    assert "config.unet.keep: last against best" in message
    assert message.count(" against ") == 3
    assert "\n" not in message
    assert (run.root / "config.json").read_bytes() == before


def test_run_on_other_data_is_refused(tmp_path: Path) -> None:
    open_run(tmp_path)
    with pytest.raises(InputError, match=r"dataset\.hash: def against abc"):
        open_run(tmp_path, dataset_hash="def")


def test_run_of_a_version_with_other_fields_is_refused(tmp_path: Path) -> None:
    path = open_run(tmp_path).root / "config.json"
    record = json.loads(path.read_text())
    del record["config"]["unet"]["keep"]
    record["config"]["unet"]["dropout"] = 0.5
    path.write_text(json.dumps(record))
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path)
    assert "config.unet.keep: best against None" in str(refusal.value)
    assert "config.unet.dropout: None against 0.5" in str(refusal.value)


def test_damaged_record_of_a_run_is_refused_by_name(tmp_path: Path) -> None:
    (open_run(tmp_path).root / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        open_run(tmp_path)


def test_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*another --out"):
        open_run(tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"Permission denied.*another --out"):
        open_run(tmp_path)


def test_refused_write_is_told_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a read-only folder, but for root too.
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"written \(Permission denied\)"):
        open_run(tmp_path)


def test_paths_of_a_run(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    fold = run.root / "fold-2"
    assert run.splits_path == run.root / "splits.json"
    assert run.gan(2) == fold / "gan"
    assert run.synthetic(2) == fold / "synthetic"
    assert run.unet(2, 30, 120) == fold / "unet-r30-s120"


def test_seconds_of_all_attempts_at_a_stage_add_up(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    run.add_seconds({"fold-1/gan": 1.25, "fold-1/gan/steps": 1.0})
    run.add_seconds({"fold-1/unet": 3})
    run.add_seconds({"fold-1/gan": 2.5, "fold-1/gan/input": 0.004})
    assert storage.read_json(run.timings_path) == pytest.approx(
        {
            "fold-1/gan": 3.75,
            "fold-1/gan/steps": 1.0,
            "fold-1/unet": 3.0,
            "fold-1/gan/input": 0.0,
        }
    )
