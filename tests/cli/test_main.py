"""One command, whose subcommands are found and imported when they are called."""

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import tfgansynth
from tfgansynth import cli
from tfgansynth.cli import main as console
from tfgansynth.cli.options import in_home
from tfgansynth.errors import InputError
from tfgansynth.runtime import signals

ROOT = Path(__file__).resolve().parents[2]


def ended(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        console.main(arguments)
    out, err = capsys.readouterr()
    return end.value.code, out, err


@pytest.fixture(autouse=True)
def keep_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test process keeps its own."""
    monkeypatch.setattr(signals, "install_handlers", lambda: None)
    monkeypatch.setattr(signals, "ignore_signals", lambda: None)


BENCHMARK_GPU = "benchmark_gpu.py"


def test_every_subcommand_is_there_and_has_its_tool() -> None:
    for name, subcommand in console._SUBCOMMANDS.items():
        module = importlib.import_module(f"tfgansynth.cli.{subcommand.module}")
        command = getattr(module, name.replace("-", "_"))
        assert typing.get_type_hints(command)["options"].__doc__
        tool = ROOT / "tools" / f"{name.replace('-', '_')}.py"
        assert f'start("{name}")' in tool.read_text()
    # One script is for machines without TensorFlow and the libraries of `cli`.
    scripts = {path.name for path in (ROOT / "tools").glob("*.py")} - {BENCHMARK_GPU}
    assert len(scripts) == len(console._SUBCOMMANDS)


def test_help_lists_all_and_version_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = ended(capsys, "--help")
    assert (code, err) == (0, "")
    assert all(f"  {name} " in out for name in console._SUBCOMMANDS)
    code, out, err = ended(capsys, "--version")
    assert (code, err) == (0, "")
    assert out == f"tfgansynth {console.version()}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "error: expected a subcommand (tfgansynth --help lists all)\n"),
        (("run-tabel",), "error: run-tabel: is no subcommand: did you mean run-table?"),
        (("export_set",), "error: export_set: is no subcommand: did you mean export-s"),
        (("xyz",), "error: xyz: is no subcommand (tfgansynth --help lists all)\n"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ended(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(words)
    assert err.count("\n") == 1


def test_a_subcommand_gets_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ended(
        capsys, "train-gan", "--fold", "2", "--gan.steps", "7", "--print-config"
    )
    assert code == 0
    assert '"fold": 2' in out
    assert '"steps": 7' in out


def python(
    code: str, *arguments: str, stdout: int = subprocess.PIPE, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_the_module_starts_without_tensorflow() -> None:
    code = (
        "import sys, tfgansynth.cli.main; from tfgansynth.cli import tables, stages;"
        "print('tensorflow' in sys.modules)"
    )
    assert python(code).stdout == "False\n"


def test_signals_are_handled_before_anything_heavy_is_imported() -> None:
    code = "import sys, tfgansynth.cli, tfgansynth.runtime.signals; print(*sys.modules)"
    loaded = set(python(code).stdout.split())
    assert "tfgansynth.runtime.signals" in loaded
    heavy = {"dataclasses", "importlib.metadata", "numpy", "pathlib", "typing", "tyro"}
    assert not heavy & loaded


SIGNALLED = """
import signal, sys
from tfgansynth.cli import start

class Finder:
    def find_spec(self, name, path, target=None):
        if name == {name!r}:
            signal.raise_signal({number})

sys.meta_path.insert(0, Finder())
start("check-data")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "name", ["tfgansynth.cli.main", "tyro", "tfgansynth.cli.checks"]
)
def test_a_signal_in_the_start_ends_it_with_one_line(name: str, number: int) -> None:
    done = python(SIGNALLED.format(name=name, number=int(number)), "nowhere")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


START = "from tfgansynth.cli import start; start()"
PLAN = ("--preset", "smoke", "--data.phantoms", "30", "--data.size", "32")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run-table", "--help"),
        ("run-table", "--print-config"),
        ("run-table", "--dry-run", *PLAN),
    ],
)
def test_a_reader_of_what_is_only_shown_may_leave(arguments: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = python(START, *arguments, stdout=write, TFGANSYNTH_DATA="")
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("backend", ["inline", "module://nothing.backend", "nonsense"])
def test_the_plotting_backend_of_a_notebook_is_not_taken(backend: str) -> None:
    code = f"try: {START}\nfinally: import matplotlib; print(matplotlib.get_backend())"
    done = python(code, "--version", MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].lower() == "agg"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("platform", "win32"),
        ("version_info", (3, 10, 9, "final", 0)),
        ("version_info", (3, 14, 0, "final", 0)),
    ],
)
def test_another_system_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: object,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, name, value)
        with pytest.raises(SystemExit) as end:
            cli.start("run-table")
        with pytest.raises(ImportError, match=r"Python 3.11 to 3.13"):
            tfgansynth.__getattr__("DCGAN")
    _, err = capsys.readouterr()
    assert end.value.code == 2
    assert err.startswith("error: tfgansynth runs on Linux and macOS with Python 3.11")
    assert err.count("\n") == 1


def test_a_home_folder_is_expanded_in_every_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = ("--out=~/runs", "--baseline", "~/g", "--data=~")
    _, out, _ = ended(capsys, "try-recipe", "--fold=1", *paths, "--print-config")
    options = json.loads(out)
    assert options["out"] == f"{tmp_path}/runs"
    assert options["baseline"] == f"{tmp_path}/g"
    assert options["data"] == str(tmp_path)
    assert ended(capsys, "verify", "~/nowhere")[2].startswith(
        f"error: {tmp_path}/nowhere: "
    )
    monkeypatch.setenv("TFGANSYNTH_DATA", "~/elsewhere")
    assert ended(capsys, "run-table", "--dry-run")[2].startswith(
        f"error: {tmp_path}/elsewhere: "
    )


@pytest.mark.parametrize("path", ["~nobody-at-all/x", "--out=~nobody-at-all/x"])
def test_a_home_folder_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"no such home folder \(\./~nobody-at-all/x"):
        in_home(path)


def test_a_stream_of_a_notebook_is_printed_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    code, _, _ = ended(capsys, "run-table", "--print-config")
    assert code == 0
    assert '"preset": "paper"' in stream.getvalue()
