"""The one console command: `tfgansynth SUBCOMMAND`."""

import dataclasses
import importlib
import sys
import typing
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from tfgansynth.cli.failures import DONE, FAILED, WRONG_USE, close_stdout, did_you_mean

_PROGRAM = "tfgansynth"
_SOURCE = Path(__file__).resolve().parents[2] / "pyproject.toml"


@dataclasses.dataclass(frozen=True, slots=True)
class _Subcommand:
    """A function of this package, imported when it is called.

    Its name is the subcommand's; the type of its argument has the options.

    Attributes:
        module: Module of this package.
        help: One line.
        resumes: Whether the same command continues where it was ended.
    """

    module: str
    help: str
    resumes: bool = True


_SUBCOMMANDS: Mapping[str, _Subcommand] = {
    "run-table": _Subcommand("tables", "run the whole experiment, print its table"),
    "run-curve": _Subcommand("tables", "Dice over the number of real cases"),
    "try-recipe": _Subcommand("tables", "compare settings without test cases"),
    "train-gan": _Subcommand("stages", "train the GAN of one fold"),
    "train-unet": _Subcommand("stages", "train and evaluate one U-Net"),
    "synthesize": _Subcommand("stages", "draw a synthetic set"),
    "assess": _Subcommand("stages", "assess a synthetic set"),
    "export-generator": _Subcommand("results", "export a trained generator"),
    "export-set": _Subcommand("results", "write a set for others, with a card"),
    "report": _Subcommand("results", "write one page about a run", resumes=False),
    "verify": _Subcommand("results", "recompute every number", resumes=False),
    "merge-results": _Subcommand(
        "results", "merge results of several machines", resumes=False
    ),
    "prepare-data": _Subcommand(
        "checks", "make a data set from images and masks", resumes=False
    ),
    "check-data": _Subcommand("checks", "check a data set", resumes=False),
    "benchmark": _Subcommand("checks", "time training steps here", resumes=False),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the subcommand that the command line names, and exit."""
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    if name in _SUBCOMMANDS:
        run(name, rest[:-1], program=f"{_PROGRAM} {name}")
    if name in ("--version", "-V"):
        _show(f"{_PROGRAM} {version()}")
    if name in ("--help", "-h"):
        _show(_help())
    wrong = "expected a subcommand"
    if name:
        wrong = f"{name}: is no subcommand{did_you_mean(name, _SUBCOMMANDS)}"
    print(f"error: {wrong} ({_PROGRAM} --help lists all)", file=sys.stderr)
    sys.exit(WRONG_USE)


def run_tool(name: str) -> NoReturn:
    """Run a subcommand with the arguments of this process, as `tools/` does."""
    run(name, sys.argv[1:], program=Path(sys.argv[0]).name)


def run(name: str, arguments: Sequence[str], *, program: str) -> NoReturn:
    """Run the subcommand of this name, which help calls `program`, and exit."""
    from tfgansynth.cli.command import run_command

    subcommand = _SUBCOMMANDS[name]
    module = importlib.import_module(f"tfgansynth.cli.{subcommand.module}")
    command = getattr(module, name.replace("-", "_"))
    code = run_command(
        typing.get_type_hints(command)["options"],
        command,
        arguments,
        program=program,
        resumes=subcommand.resumes,
    )
    sys.exit(code)


def _show(text: str) -> NoReturn:
    """Print and exit. A reader who leaves early has seen enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        close_stdout()
        sys.exit(FAILED)
    sys.exit(DONE)


def version() -> str:
    """Version of this program, installed or in a clone."""
    try:
        return metadata.version(_PROGRAM)
    except metadata.PackageNotFoundError:
        import tomllib

        return str(tomllib.loads(_SOURCE.read_text())["project"]["version"])


def _help() -> str:
    width = max(map(len, _SUBCOMMANDS)) + 2
    return "\n".join(
        [
            f"usage: {_PROGRAM} SUBCOMMAND [OPTIONS]",
            "",
            "Learn a generator of (medical image, mask) pairs, and test whether it "
            "helps.",
            "",
            *(f"  {name:{width}}{each.help}" for name, each in _SUBCOMMANDS.items()),
            "",
            f"{_PROGRAM} SUBCOMMAND --help lists the options of one; --version prints "
            "the version.",
        ]
    )
