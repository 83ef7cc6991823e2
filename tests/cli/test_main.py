"""One command, whose subcommands are found and imported when they are called."""

import importlib
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from tfgansynth.cli import main as console
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


def test_every_subcommand_is_there_and_has_its_tool() -> None:
    for name, subcommand in console._SUBCOMMANDS.items():
        module = importlib.import_module(f"tfgansynth.cli.{subcommand.module}")
        command = getattr(module, name.replace("-", "_"))
        assert typing.get_type_hints(command)["options"].__doc__
        tool = ROOT / "tools" / f"{name.replace('-', '_')}.py"
        assert f'run_tool("{name}")' in tool.read_text()
    assert len(list((ROOT / "tools").glob("*.py"))) == len(console._SUBCOMMANDS)


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
        (("run-tabel",), "error: run-tabel: is no subcommand ("),
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


def test_the_module_starts_without_tensorflow() -> None:
    code = (
        "import sys, tfgansynth.cli.main; from tfgansynth.cli import tables, stages;"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
