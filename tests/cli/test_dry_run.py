"""A dry run shows the plan, what is done, and what earlier runs let expect."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from tfgansynth.benchmark.measurement import BriefTiming
from tfgansynth.cli import dry_run, main
from tfgansynth.config import Config, DataConfig
from tfgansynth.config_checks import expected_mib
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import load_experiment_data
from tfgansynth.experiment.study import Study, prepare
from tfgansynth.planning.requests import table_request
from tfgansynth.presets import PRESETS, at_size
from tfgansynth.runtime import signals, storage

CONFIG = dataclasses.replace(
    PRESETS["smoke"],
    reduced=True,
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=4),
)
DATA = load_experiment_data(CONFIG, None)
NOT_TIMED = "a training step cannot be timed: out of memory"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "processor_name", lambda: "this")
    # No test trains so much that its steps would be timed.
    monkeypatch.setattr(dry_run, "measure_briefly", cannot_measure)


def cannot_measure(config: Config, networks: Sequence[str]) -> NoReturn:
    raise InputError(NOT_TIMED)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Time steps although they are few; collect which networks' are timed."""
    asked = []

    def measured(config: Config, networks: Sequence[str]) -> dict[str, BriefTiming]:
        asked.append(list(networks))
        return {each: BriefTiming(start_up=5.0, seconds=2.0) for each in networks}

    monkeypatch.setattr(dry_run, "measure_briefly", measured)
    monkeypatch.setattr(dry_run, "_FEW_MULTIPLY_ADDS", 0)
    return asked


def study(out: Path, config: Config = CONFIG, n_seeds: int = 1) -> Study:
    return prepare(
        DATA,
        config,
        out,
        n_seeds=n_seeds,
        folds=None,
        request=table_request(config, "paper", control=False, assessed=False),
    )


def finish_fold(out: Path, *, processor: str = "this") -> None:
    """Make up all stages of fold 1: the GAN took 100 s, all else 10 s."""
    (part,) = study(out).open().parts
    run = part.experiment.run
    for stage in part.plan.stages:
        if stage.fold != 1:
            continue
        seal = "manifest.json" if "synthetic" in stage.name else "provenance.json"
        storage.write_record(run.root / stage.name / seal, stage.record)
        run.add_seconds({stage.name: 100.0 if stage.name.endswith("gan") else 10.0})
        run.add_machine(
            stage.name, {"processor": processor}, precision="float32", done=0
        )
        run.add_memory(stage.name, 2048)


def test_without_earlier_runs_a_few_steps_are_timed(
    tmp_path: Path, timed: list[list[str]]
) -> None:
    out = tmp_path / "out"
    lines = dry_run.describe(study(out), out).splitlines()
    assert timed == [["GAN", "U-Net"]]
    assert lines[0] == "Plan: 15 stages, 0 of them done"
    # 100 steps of 2 s, 6 % for records, and the start-up. U-Nets take 1, 3 and 2
    # steps an epoch, validate 2 of 16 pairs at half the time, and end after 17 epochs
    # at most: the rule may stop after 30 steps and 11 epochs.
    times = [re.sub(r" +[0-9.]+ GiB$", "", line).split(maxsplit=1) for line in lines]
    assert [time for _, time in times[1:6]] == [
        "about 3 min 37 s",
        "about 3 s",
        "about 43 s",
        "1 min 14 s to 1 min 51 s",
        "1 min 09 s to 1 min 17 s",
    ]
    assert lines[-1] == (
        "Time: about 20 min 18 s, at most 22 min 34 s where U-Nets do not end early; "
        "at most 0.7 GiB of memory; by steps timed now (GAN 2 s, U-Net 2 s)"
    )
    assert not out.exists()

    last = dry_run.describe(study(out), out, workers=2).splitlines()[-1]
    assert " not end early; less as 2 stages run at a time; at most " in last
    assert "at most 1.5 GiB of memory" in last


def test_an_ensemble_that_is_evaluated_trains_nothing(
    tmp_path: Path, timed: list[list[str]]
) -> None:
    synthesis = dataclasses.replace(CONFIG.synthesis, pseudo_label_members=1)
    config = dataclasses.replace(CONFIG, synthesis=synthesis)
    request = table_request(
        config, "fixed_budget", control=False, assessed=False, baselines=["ensemble"]
    )
    planned = prepare(DATA, config, tmp_path, n_seeds=1, folds=[1], request=request)
    (line,) = (
        line
        for line in dry_run.describe(planned, tmp_path).splitlines()
        if "-pseudo-label-ensemble " in line
    )
    assert " about 3 s " in line


def test_few_steps_are_counted(tmp_path: Path) -> None:
    last = dry_run.describe(study(tmp_path), tmp_path).splitlines()[-1]
    assert re.fullmatch("Time: about .* memory; by counted operations", last)


def test_only_what_no_run_has_recorded_is_timed(
    tmp_path: Path, timed: list[list[str]]
) -> None:
    finish_fold(tmp_path)
    unet = dataclasses.replace(CONFIG.unet, maps=4)
    other = study(tmp_path, dataclasses.replace(CONFIG, unet=unet))
    last = dry_run.describe(other, tmp_path).splitlines()[-1]
    assert timed == [["U-Net"]]
    assert last.endswith(
        "; as runs below --out took on this kind of processor and by steps timed now "
        "(U-Net 2 s)"
    )


def test_steps_that_cannot_be_timed_leave_the_time_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "_FEW_MULTIPLY_ADDS", 0)
    text = dry_run.describe(study(tmp_path), tmp_path)
    assert text.endswith(f"Time: unknown; at most 0.7 GiB of memory; {NOT_TIMED}")


def test_a_slow_gan_names_what_to_use_instead(
    tmp_path: Path, timed: list[list[str]]
) -> None:
    gan = dataclasses.replace(CONFIG.gan, steps=12000, batch=128)
    slow = study(tmp_path, dataclasses.replace(CONFIG, gan=gan))
    assert "SLOW" not in dry_run.expect(slow, tmp_path)[1]

    def measured(config: Config, networks: Sequence[str]) -> dict[str, BriefTiming]:
        return {each: BriefTiming(start_up=0.0, seconds=40.0) for each in networks}

    config = at_size(PRESETS["paper"], 32)
    paper = study(tmp_path, dataclasses.replace(config, data=CONFIG.data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dry_run, "measure_briefly", measured)
        lines = dry_run.expect(paper, tmp_path)[1].splitlines()
    # 12000 steps of 128 pairs against 2000 of 32: 24 times as much.
    assert lines[-1] == (
        "Slow: one GAN of 12000 steps takes about 5 days 21 h here: use --preset fast "
        "(about 5 h 53 min, less at --data.size 64), or a GPU"
    )


def test_more_memory_than_there_is_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "memory_bytes", lambda: 1 << 29)
    assert dry_run.expect(study(tmp_path), tmp_path)[1].splitlines()[-1] == (
        "Memory: 0.7 GiB are more than this machine has (0.5 GiB): lower --gan.batch, "
        "--unet.batch or --data.size"
    )


def test_finished_stages_tell_what_the_others_take(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    lines = dry_run.describe(study(tmp_path), tmp_path).splitlines()
    assert lines[0] == "Plan: 15 stages, 5 of them done"
    assert lines[1].split() == ["fold-1/gan", "done"]
    assert lines[6].split(maxsplit=1) == ["fold-2/gan", "about 1 min 40 s  2.0 GiB"]
    assert lines[-1] == (
        "Time: about 4 min 40 s; at most 2.0 GiB of memory; as runs below --out took "
        "on this kind of processor"
    )


def test_a_gans_time_goes_with_its_steps(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    gan = dataclasses.replace(CONFIG.gan, steps=3 * CONFIG.gan.steps)
    config = dataclasses.replace(CONFIG, gan=gan, seed=1)
    lines = dry_run.describe(study(tmp_path, config), tmp_path).splitlines()
    assert lines[1].split(maxsplit=1) == ["fold-1/gan", "about 5 min 00 s  2.0 GiB"]


def test_another_processor_tells_nothing(tmp_path: Path) -> None:
    finish_fold(tmp_path, processor="another")
    text = dry_run.describe(study(tmp_path), tmp_path)
    assert text.endswith("; by counted operations")


def test_other_settings_are_told_before_anything_is_moved(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    unet = dataclasses.replace(CONFIG.unet, maps=4)
    other = study(tmp_path, dataclasses.replace(CONFIG, unet=unet))
    text = dry_run.describe(other, tmp_path)
    assert "Plan: 15 stages, 2 of them done" in text
    assert "(unet.maps: 4 against 8): 3 of its stages would be kept aside" in text
    assert not list(tmp_path.rglob("superseded"))


def test_a_folder_of_other_data_is_refused(tmp_path: Path) -> None:
    (part,) = study(tmp_path).open().parts
    path = part.experiment.run.root / "cases.json"
    record = storage.read_record(path)
    record["cases"]["phantom-003"] = "0" * 64
    storage.write_record(path, record)
    with pytest.raises(InputError, match=r"other data \(changed: phantom-003\)"):
        dry_run.describe(study(tmp_path), tmp_path)


def test_several_runs_are_named(tmp_path: Path) -> None:
    lines = dry_run.describe(study(tmp_path, n_seeds=2), tmp_path).splitlines()
    assert lines[0] == "Plan: 30 stages, 0 of them done"
    assert lines[1].split()[:2] == ["phantoms-reduced-smoke-seed0", "fold-1/gan"]
    assert lines[-2].split()[0] == "phantoms-reduced-smoke-seed1"


def squares(folder: Path, n_cases: int) -> Path:
    """A data set of noise, two cases a patient by name."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 4:12] = mask[8:24, 20:28] = 255
    for number in range(n_cases):
        name = f"p{number // 2}-{number % 2}.png"
        noise = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(noise).save(folder / "images" / name)
        Image.fromarray(mask).save(folder / "masks" / name)
    return folder


SMALL = (
    *("--preset", "smoke", "--dry-run", "--data.size", "32", "--unet.depth", "1"),
    *("--gan.generator-maps", "8", "8", "--gan.discriminator-maps", "8", "8"),
    *("--gan.augment-cutout", "8", "--gan.augment-shift", "2"),
)


@pytest.fixture
def dry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run a command dry; return its code and what it printed."""
    monkeypatch.setattr(signals, "install_handlers", lambda: None)
    monkeypatch.setattr(signals, "ignore_signals", lambda: None)

    def run(name: str, *arguments: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main.main([name, *SMALL, *map(str, arguments)])
        return int(end.value.code or 0), "".join(capsys.readouterr())

    return run


Dry = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("name", ["run-table", "benchmark", "run-curve"])
def test_a_missing_folder_is_refused(dry: Dry, name: str, tmp_path: Path) -> None:
    code, printed = dry(name, "--data", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere: " in printed


def test_few_cases_are_refused_with_all_that_is_missing(
    dry: Dry, tmp_path: Path
) -> None:
    data = squares(tmp_path / "data", 5)
    code, printed = dry("run-table", "--data", data, "--out", tmp_path)
    assert code == 2
    assert printed.splitlines()[1:] == [
        "error: 5 cases are too few for this split: 12 are the least, add 7 (of "
        "phantoms, by --data.phantoms): a fold would have 2 test, 1 validation and 2 "
        "training cases"
    ]
    code, printed = dry("run-table", "--data", data, "--reduced", "--out", tmp_path)
    assert code == 2
    assert "add 7 " in printed
    assert "; --reduced draws 30" in printed


def test_thirty_cases_need_no_flag(dry: Dry, tmp_path: Path) -> None:
    data = squares(tmp_path / "data", 30)
    code, printed = dry("run-table", "--data", data, "--out", tmp_path)
    assert code == 0
    assert (
        "Split: 30 cases in 3 folds, each with 10 test, 4 validation (the paper's: 20) "
        "and 16 training cases\nPlan: 15 stages"
    ) in printed
    code, printed = dry(
        *("run-table", "--data", data, "--patient-pattern", "p[0-9]+"),
        *("--data.n-validation", "12", "--out", tmp_path),
    )
    assert code == 0
    assert (
        "Split: 30 cases of 15 patients, none in two parts, in 3 folds, each with 10 "
        "test, 12 validation (the paper's: 20) and 8 training cases\n"
        "Few cases: a fold has only 8 training cases: "
    ) in printed
    code, printed = dry("run-table", "--data", data, "--patient-pattern", "p1")
    assert code == 2
    assert "--patient-pattern p1: finds no patient in the case p0-0" in printed


def test_a_curve_of_patients_has_numbers_that_they_have(
    dry: Dry, tmp_path: Path
) -> None:
    curve = (
        *("run-curve", "--data", squares(tmp_path / "data", 30), "--out", tmp_path),
        *("--patient-pattern", "p[0-9]+", "--counts"),
    )
    code, printed = dry(*curve, "4", "8")
    assert code == 0
    assert "4 of 16 training cases\n" in printed
    assert "8 of 16 training cases\n" in printed
    code, printed = dry(*curve, "5")
    assert code == 2
    assert "--counts 5: no draw of whole patients has so many" in printed


def test_without_earlier_runs_the_memory_is_that_of_the_shapes(tmp_path: Path) -> None:
    unet = dataclasses.replace(CONFIG.unet, maps=512)
    config = dataclasses.replace(CONFIG, unet=unet)
    found = expected_mib(config, 12)
    # 14 maps of 16 images of 512 channels, 4 bytes each, and the weights.
    assert found["unet"] - found["gan"] > 14 * 16 * 512 * 32**2 * 4 / 2**20
    lines = dry_run.describe(study(tmp_path, config), tmp_path).splitlines()
    unets = [line.split() for line in lines if "unet-r" in line]
    expected = f"{found['unet'] / 1024:.1f}"
    assert {tuple(line[1:]) for line in unets} == {("unknown", expected, "GiB")}
    assert lines[1].split()[-3:] == ["unknown", "0.7", "GiB"]
    assert lines[-1] == (
        f"Time: unknown; at most {expected} GiB of memory; {NOT_TIMED}"
    )


@pytest.mark.parametrize(
    ("preset", "size", "stage", "mib"),
    [
        ("smoke", 64, "gan", 715),
        ("smoke", 256, "gan", 868),
        ("fast", 64, "gan", 1419),
        ("fast", 128, "gan", 1868),
        ("fast", 256, "gan", 3031),
        ("smoke", 64, "unet", 716),
        ("smoke", 256, "unet", 1145),
        ("smoke", 512, "unet", 2441),
        ("fast", 64, "unet", 916),
        ("fast", 128, "unet", 1551),
        ("fast", 256, "unet", 4128),
        ("smoke", 128, "synthetic set", 809),
        ("smoke", 256, "synthetic set", 1083),
        ("fast", 128, "synthetic set", 1335),
    ],
)
def test_shapes_give_the_memory_that_was_measured(
    preset: str, size: int, stage: str, mib: int
) -> None:
    """Peaks of processes that took a step in float32, on 2 cores of an AMD EPYC."""
    found = expected_mib(at_size(PRESETS[preset], size), n_cases=0)
    assert found[stage] == pytest.approx(mib, rel=0.11)


@pytest.mark.parametrize(
    ("preset", "size", "changes", "mib"),
    [
        ("smoke", 256, {"upsampling": "resize"}, 949),
        ("fast", 64, {"upsampling": "resize"}, 1549),
        ("smoke", 256, {"loss": "wgan_gp", "discriminator_norm": "none"}, 925),
        ("smoke", 256, {"loss": "wgan_gp"}, 961),
        ("fast", 64, {"loss": "wgan_gp", "discriminator_norm": "none"}, 1434),
    ],
)
def test_recipes_of_the_gan_have_the_memory_that_was_measured(
    preset: str, size: int, changes: dict[str, Any], mib: int
) -> None:
    config = at_size(PRESETS[preset], size)
    config = dataclasses.replace(config, gan=dataclasses.replace(config.gan, **changes))
    found = expected_mib(config, n_cases=0)
    assert found["gan"] == pytest.approx(mib, rel=0.11)
