"""Every option is swept with extremes: a plan that can be carried out, or one line."""

import dataclasses
import functools
import importlib
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import SMALL_NETWORKS
from tfgansynth.cli import main as console
from tfgansynth.cli.failures import DONE, WRONG_USE
from tfgansynth.cli.options import Options, parse
from tfgansynth.cli.tables import RunCurve, RunTable
from tfgansynth.config import Config
from tfgansynth.data.dataset import Dataset
from tfgansynth.data.loading import load_phantoms
from tfgansynth.experiment import experiment_data
from tfgansynth.planning.requests import RegimeSet
from tfgansynth.records.regimes import BASELINES, OFF_CURVE
from tfgansynth.runtime import signals

HUGE = "1" + 30 * "0"
EXTREMES = ("0", "-1", "1", HUGE, "nan", "inf", "", "text")
SMALL = (
    *("--preset", "smoke", "--reduced", "--dry-run", *SMALL_NETWORKS),
    *("--data.phantoms", "12", "--data.n-validation", "2", "--data.n-reduced", "4"),
)
MANDATORY = {"fold": "1", "real": "4", "synthetic": "0"}
WITHOUT_PLAN = {"prepare-data", "check-data", "report", "verify", "merge-results"}
PLACES = ("data", "run", "runs", "source")
OF_RUNS = {"synthesize", "assess", "export-set", "export-generator"}
RUN = "phantoms-reduced-smoke-seed0"
"""A run that nothing is trained in yet; in the working folder."""


def options_type(name: str) -> type[Any]:
    module = importlib.import_module(
        f"tfgansynth.cli.{console._SUBCOMMANDS[name].module}"
    )
    hints = typing.get_type_hints(getattr(module, name.replace("-", "_")))
    found: type[Any] = hints["options"]
    return found


def settings(kind: type[Any] = Config, prefix: str = "--") -> Iterator[str]:
    """Name the settings that have values, which all subcommands share."""
    for name, hint in typing.get_type_hints(kind).items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from settings(hint, f"{prefix}{name}.")
        elif hint is not bool:
            yield f"{prefix}{name.replace('_', '-')}"


def own_options() -> Iterator[tuple[str, str]]:
    """Name the options that have values, of each subcommand; "" for a place."""
    for name in console._SUBCOMMANDS:
        for field, hint in typing.get_type_hints(options_type(name)).items():
            if field in ("config", "destination", "synthesis", "evaluation"):
                continue
            if hint is bool:
                continue
            if field in PLACES and (name in WITHOUT_PLAN or field == "run"):
                # Where faults are, check-data prints them as a report.
                if name != "check-data":
                    yield name, ""
                continue
            yield name, f"--{field.replace('_', '-')}"


_drawing: list[float] = []
"""Seconds that phantoms took: as many as are wanted, which is no fault of an option."""


@functools.cache
def phantoms(*arguments: Any, **options: Any) -> Dataset:
    start = time.process_time()
    try:
        return load_phantoms(*arguments, **options)
    finally:
        _drawing.append(time.process_time() - start)


@pytest.fixture(autouse=True, scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make phantoms once, import what is needed, and keep this process's signals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "install_handlers", lambda: None)
        patch.setattr(signals, "ignore_signals", lambda: None)
        patch.setattr(experiment_data, "load_phantoms", phantoms)
        patch.setattr(experiment_data, "find_duplicates", lambda _: ())
        patch.chdir(tmp_path_factory.mktemp("empty"))
        with pytest.raises(SystemExit):
            console.main(["run-table", *SMALL])
        config = parse(Options, SMALL, program="test").config
        loaded = experiment_data.load_experiment_data(config, None)
        loaded.experiment(config, Path()).open()
        yield


def check(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], *words: str
) -> None:
    """Run a command, which succeeds or refuses in one line with one of the words."""
    _drawing.clear()
    start = time.process_time()
    with pytest.raises(SystemExit) as end:
        console.main(arguments)
    seconds = time.process_time() - start - sum(_drawing)
    out, err = capsys.readouterr()
    if end.value.code == DONE:
        assert out.splitlines()[-1], arguments
        assert not err
    elif arguments[0] == "check-data" and not err:
        # Faults of the data are what it reports.
        assert end.value.code == WRONG_USE
        assert "no such folder" in out
    else:
        assert end.value.code == WRONG_USE, err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert any(word in err for word in words), (arguments, err)
    assert seconds < 1, arguments


@pytest.mark.slow
@pytest.mark.parametrize("section", ["", *Config.__slots__])
def test_every_setting(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = "run-table", *SMALL, "--regimes", "all", "--assess"
    for option in settings():
        if section == option.removeprefix("--").rpartition(".")[0]:
            for value in EXTREMES:
                check(capsys, (*run, option, value), option)


@pytest.mark.parametrize(("name", "option"), [*own_options()])
def test_every_option_of_a_subcommand(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {field.name for field in dataclasses.fields(options_type(name))}
    needed = [
        word
        for field, value in MANDATORY.items()
        if field in fields
        for word in (f"--{field}", value)
    ]
    if name == "merge-results":
        needed = ["--to", "nowhere"]
    elif name == "prepare-data":
        needed = ["nowhere", "new"] if option else ["new"]
    elif name in ("check-data", "verify") and option:
        needed = ["nowhere"]
    elif name in OF_RUNS:
        needed += ["--dry-run", *([RUN] if option else [])]
    elif name not in WITHOUT_PLAN:
        needed += SMALL
        if name == "try-recipe":
            needed += ("--data.n-development", "12")
    for value in EXTREMES:
        given = (option, value) if option else (value,)
        check(capsys, (name, *needed, *given), option, value or option, "nowhere")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--synthesis.mask-threshold", "300"), "expected 1 or more, less than 256"),
        (("--synthesis.mask-threshold", "0"), "expected 1 or more, less than 256"),
        (("--synthesis.hash-distance", "99"), "expected 0 or more, less than 32"),
        (("--unet.depth", "20000"), "expected 0 or more, less than 12"),
        (("--data.size", "1048576"), "expected 1 or more, less than 2049"),
        (("--gan.generator-maps", *5 * ["15000"]), "would take 336 GiB of memory"),
        (
            ("--data.folds", "1000000000"),
            "split: --data.folds 1000000000 needs as many",
        ),
        (("--evaluation.cross-fit-splits", "5"), "fold 1 has only 4 real training"),
        (("--gan.z-dim", "3", "--gan.latent-codes"), "expected 4 or more with"),
        (("--folds",), "expected one number or more"),
        (("--out=",), "expected a value, not an empty one"),
    ],
)
def test_what_passed_the_dry_run_before(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check(capsys, ("run-table", *SMALL, "--assess", *arguments), words)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("try-recipe", "--baseline"),
        ("synthesize", "--generator"),
        ("assess", "--set"),
        ("export-set", "--set"),
    ],
)
def test_what_is_named_must_be_there(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    of = [RUN] if name in OF_RUNS else SMALL
    arguments = name, *of, "--fold", "1", option, "nowhere"
    check(capsys, arguments, f"{option} nowhere: there is no such file or folder")


def test_choices_of_tables_are_those_that_are_planned() -> None:
    """They are written once more, so that --help imports no records."""
    hints, of_curves = map(typing.get_type_hints, (RunTable, RunCurve))
    (baselines, _), (on_curve, _), regimes = map(
        typing.get_args,
        (hints["baselines"], of_curves["baselines"], hints["regimes"]),
    )
    assert {*typing.get_args(baselines)} == {"all", *BASELINES}
    assert {*typing.get_args(on_curve)} == {"all", *BASELINES} - {*OFF_CURVE}
    assert regimes == typing.get_args(RegimeSet)
