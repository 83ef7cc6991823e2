"""What all command-line tools share: options, one-line errors, exit codes."""

import contextlib
import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from tfgansynth.cli.failures import DONE, explain
from tfgansynth.config import Config
from tfgansynth.config_checks import check
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import signals

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment

DATA_VARIABLE = "TFGANSYNTH_DATA"
"""Environment variable that names the data set when --data does not."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of every tool that works on a run.

    The number after each option is the chosen preset's; the source of each number
    stands in brackets.
    """

    data: Path | None = None
    """Folder of the data set: images/ and masks/ with equal names, or JSRT images
    with SCR masks. Without it, the environment variable TFGANSYNTH_DATA; without
    that, the built-in phantoms, which show that the program works and nothing
    about patients."""
    out: Path = Path("saved_models")
    """Folder that takes the run folder."""
    dry_run: bool = False
    """Print the resolved configuration as JSON and do nothing."""
    config: Annotated[Config, tyro.conf.arg(name="")] = PRESETS["paper"]

    @property
    def data_folder(self) -> Path | None:
        """The data set that the options or the environment name."""
        named = os.environ.get(DATA_VARIABLE)
        return self.data or (Path(named) if named else None)


OptionsType = TypeVar("OptionsType")
RunOptionsType = TypeVar("RunOptionsType", bound=Options)


def run_tool(
    options_type: type[OptionsType],
    main: Callable[[OptionsType], int | None],
    *,
    resumes: bool = False,
) -> None:
    """Parse the command line, run a tool, and exit as every tool does.

    Args:
        options_type: The tool's options, a dataclass; its docstring describes the
            tool.
        main: The tool; what it returns is the exit code, None for done.
        resumes: Whether the same command goes on where it was ended.
    """
    signals.install_handlers()
    # A program that starts without them would take its first files for them.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    # Lines appear when they are printed, in a file too; names in any character.
    sys.stdout.reconfigure(  # type: ignore[union-attr]
        line_buffering=True, errors="backslashreplace"
    )
    try:
        options = parse(options_type, sys.argv[1:])
        if isinstance(options, Options) and options.dry_run:
            print(json.dumps(_plain(options), indent=2))
            code = DONE
        else:
            code = main(options) or DONE
        signals.ignore_signals()
    except (Exception, KeyboardInterrupt) as fault:
        signals.ignore_signals()
        explained = explain(fault, resumes=resumes)
        if explained is None:
            raise
        code, line = explained
        print(line, file=sys.stderr)
    _close_stdout()
    sys.exit(code)


def _close_stdout() -> None:
    """Drop lines whose reader is gone: the interpreter would complain of them."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_experiment(
    main: Callable[["Experiment", RunOptionsType], int | None],
) -> Callable[[RunOptionsType], int | None]:
    """Turn a function of an opened experiment and options into a tool."""

    def run(options: RunOptionsType) -> int | None:
        return main(open_run(options, options.config.seed), options)

    return run


def open_run(options: Options, seed: int) -> "Experiment":
    """Open the experiment that the options name, with one seed.

    Raises:
        InputError: The data, their number or the run folder do not fit.
    """
    # Imported late: --help must not wait for it.
    from tfgansynth.experiment.experiment_data import open_experiment
    from tfgansynth.runtime.devices import import_tensorflow_quietly
    from tfgansynth.runtime.timing import Timer

    config = dataclasses.replace(options.config, seed=seed)
    timer = Timer()
    with timer.part("cases"):
        experiment = open_experiment(config, options.data_folder, options.out)
    with timer.part("libraries"):
        import_tensorflow_quietly()
    experiment.run.add_seconds(timer.timings("start"))
    return experiment


def parse(options_type: type[OptionsType], arguments: Sequence[str]) -> OptionsType:
    """Parse a command line, starting from the preset that it names.

    Raises:
        InputError: An option is unknown or its value is not possible.
    """
    default = _defaults(options_type, arguments)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options: OptionsType = tyro.cli(
                options_type, args=arguments, default=default
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(_one_line(complaint.getvalue())) from end
    if isinstance(options, Options):
        check(options.config)
    return options


def _defaults(options_type: type[OptionsType], arguments: Sequence[str]) -> Any:
    """An instance that holds the preset's values; what must be given is missing."""
    values: dict[str, Any] = {
        field.name: tyro.MISSING
        for field in dataclasses.fields(options_type)  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING
    }
    if issubclass(options_type, Options):
        values["config"] = _preset(arguments)
    return options_type(**values)


def _preset(arguments: Sequence[str]) -> Config:
    name: str = Config().preset
    for index, argument in enumerate(arguments):
        if argument == "--preset" and index + 1 < len(arguments):
            name = arguments[index + 1]
        elif argument.startswith("--preset="):
            name = argument.removeprefix("--preset=")
    if name not in PRESETS:
        raise InputError(f"--preset {name}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _one_line(box: str) -> str:
    """Unwrap the parser's boxed complaint and drop its hint at --help."""
    lines = [line.strip("│ \n") for line in box.splitlines()]
    text: list[str] = []
    for line in lines:
        if re.fullmatch(r"[╭╰─╮╯ ]+|╭.*╮", line):
            if text:
                break
            continue
        text.append(line)
    return f"{' '.join(text)} (--help lists all options)"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    return str(value) if isinstance(value, Path) else value
