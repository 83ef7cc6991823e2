"""What all commands share: options, one-line errors, exit codes, opening a run."""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from tfgansynth import ranges
from tfgansynth.cli.failures import DONE, close_stdout, explain
from tfgansynth.cli.help_texts import describe_fields
from tfgansynth.config import Config
from tfgansynth.config_checks import check, check_ranges
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS, at_size
from tfgansynth.runtime import signals

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import ExperimentData, Part, Study
    from tfgansynth.experiment.graph import Kind
    from tfgansynth.experiment.plan import RequestOf
    from tfgansynth.runtime.timing import Timer

DATA_VARIABLE = "TFGANSYNTH_DATA"
"""Environment variable that names the data set when --data does not."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of every command that works on a run.

    The number after each option is the chosen preset's; the source of each number
    stands in brackets.
    """

    data: Path | None = None
    """Folder of the data set: as prepare-data makes it, images/ and masks/ with equal
    names, or JSRT images with SCR masks. Without it, the environment variable
    TFGANSYNTH_DATA; without that, the built-in phantoms, which show that the program
    works and nothing about patients."""
    patient_pattern: str | None = None
    """Regular expression that finds the patient in the name of each case: its first
    group, or all of its match. Without it, the column patient of the data set's
    cases.csv, if there is one; no patient is in two parts of a split. Groups, in a
    column group, are in all parts in proportion."""
    out: Path = Path("saved_models")
    """Folder that takes the run folder."""
    dry_run: bool = False
    """Check the data, print the plan and do nothing: its stages, which are done, the
    time and memory expected here."""
    print_config: bool = False
    """Print the resolved options as JSON and do nothing."""
    config: Annotated[Config, tyro.conf.arg(name="")] = PRESETS["paper"]

    @property
    def data_folder(self) -> Path | None:
        """The data set that the options or the environment name."""
        named = os.environ.get(DATA_VARIABLE)
        return self.data or (Path(in_home(named)) if named else None)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoldOptions(Options):
    """Options of every command that works on one fold."""

    fold: ranges.Count
    """Number of the fold, from 1."""


OptionsType = TypeVar("OptionsType")
Command = Callable[[OptionsType], int | None]
"""Takes the options; returns the exit code, None for done."""


def run_command(
    options_type: type[OptionsType],
    command: Command[OptionsType],
    arguments: Sequence[str],
    *,
    program: str,
    resumes: bool = False,
) -> int:
    """Parse arguments and run a command, and explain in one line what ends it.

    Args:
        options_type: The command's options, a dataclass; its docstring describes the
            command.
        command: The command.
        arguments: Those after its name.
        program: What help calls it.
        resumes: Whether the same command continues where it was ended.

    Returns:
        The exit code.
    """
    _prepare_streams()
    does_work = False
    try:
        options = parse(options_type, arguments, program=program)
        signals.install_handlers()
        if isinstance(options, Options) and options.print_config:
            print(json.dumps(dataclasses.asdict(options), indent=2, default=str))
            code = DONE
        else:
            does_work = not getattr(options, "dry_run", False)
            code = command(options) or DONE
        signals.ignore_signals()
    except (Exception, KeyboardInterrupt) as fault:
        signals.ignore_signals()
        explained = explain(fault, resumes=resumes and does_work)
        if explained is None:
            raise
        code, line = explained
        # Whoever reads help or a plan and leaves early has seen enough.
        if does_work or not isinstance(fault, BrokenPipeError):
            print(line, file=sys.stderr)
    close_stdout()
    return code


def _prepare_streams() -> None:
    # A program that starts without them would take its first files for them.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    # Lines appear when they are printed, in a file too; names in any character. A
    # notebook's stream does so by itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """Options and the data that they name, loaded once for all seeds, and timed."""

    options: Options
    data: "ExperimentData"
    timer: "Timer"

    def study(
        self,
        request: "RequestOf",
        *,
        folds: Sequence[int] | None,
        n_seeds: int = 1,
        kinds: "Collection[Kind] | None" = None,
    ) -> "Study":
        """Plan what a command wants of some folds and seeds; see `prepare`."""
        from tfgansynth.experiment.experiment_data import prepare

        return prepare(
            self.data,
            self.options.config,
            self.options.out,
            n_seeds=n_seeds,
            folds=folds,
            request=request,
            kinds=kinds,
        )

    def start(self, study: "Study", workers: int = 1) -> "Study | None":
        """Open the run folders and import TensorFlow; for a dry run, print the plan.

        Several workers import TensorFlow themselves.

        Returns:
            The opened study; None for a dry run.

        Raises:
            InputError: A run folder belongs to other data, or another process works
                in it.
        """
        from tfgansynth.cli.dry_run import describe, expectation, is_sealed

        lines = (each.experiment.split_lines() for each in study.parts)
        for line in dict.fromkeys(itertools.chain(*lines)):
            print(line)
        if self.options.dry_run:
            print(describe(study, self.options.out))
            return None
        from tfgansynth.runtime.devices import import_tensorflow_quietly

        opened = study.open()
        is_open = any(
            not is_sealed(part.experiment.run.root, stage)
            for part in opened.parts
            for stage in part.plan.stages
        )
        if is_open:
            print(f"EXPECTED {expectation(opened, self.options.out)}")
        if workers == 1:
            with self.timer.part("libraries"):
                import_tensorflow_quietly()
        # A command that has nothing to do would only lengthen the record.
        if is_open:
            seconds = self.timer.timings("start")
            opened.parts[0].experiment.run.add_seconds(seconds)
        return opened

    def start_one(
        self,
        request: "RequestOf",
        fold: int,
        kinds: "Collection[Kind] | None" = None,
        *,
        workers: int = 1,
    ) -> "Part | None":
        """Plan and start what a command wants of one fold of one seed."""
        opened = self.start(self.study(request, folds=[fold], kinds=kinds), workers)
        return opened.parts[0] if opened else None


def require_there(**paths: Path | None) -> None:
    """Refuse options that name what is not there, before anything runs.

    Raises:
        InputError: Names the option.
    """
    for name, path in paths.items():
        if path and not path.exists():
            raise InputError(f"--{name} {path}: there is no such file or folder")


def load(options: Options) -> Loaded:
    """Load the data that the options name.

    Raises:
        InputError: The data do not fit.
    """
    # Imported late: --help must not wait for it.
    from tfgansynth.experiment.experiment_data import load_experiment_data
    from tfgansynth.runtime.timing import Timer

    timer = Timer()
    with timer.part("cases"):
        data = load_experiment_data(
            options.config, options.data_folder, options.patient_pattern
        )
    return Loaded(options, data, timer)


def parse(
    options_type: type[OptionsType], arguments: Sequence[str], *, program: str
) -> OptionsType:
    """Parse a command line, starting from the preset that it names.

    The arguments are those after the command's name; help calls the command `program`.

    Raises:
        InputError: An option is unknown or its value is not possible.
    """
    arguments = [in_home(argument) for argument in arguments]
    if {"-h", "--help"} & set(arguments):
        describe_fields(options_type)
    for name, value in itertools.pairwise(["argument", *arguments]):
        if not value or (value[:2] == "--" and value.partition("=")[1:] == ("=", "")):
            raise InputError(f"{value or name}: expected a value, not an empty one")
    default = _defaults(options_type, arguments)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options: OptionsType = tyro.cli(
                options_type, prog=program, args=arguments, default=default
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(_one_line(complaint.getvalue())) from end
    check_ranges(options)
    if isinstance(options, Options):
        check(options.config)
    return options


def in_home(argument: str) -> str:
    """Expand a home folder, `~` or `~user`, which a shell does not after `--out=`.

    Raises:
        InputError: There is no such home folder.
    """
    option, path = re.fullmatch(r"(--[\w.-]+=)?(.*)", argument, re.DOTALL).groups("")  # type: ignore[union-attr]
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise InputError(f"{argument}: no such home folder (./{path} is a plain name)")
    return f"{option}{expanded}"


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
    """The named preset at the named size: what is given besides replaces its values."""
    name = _given("--preset", arguments) or Config().preset
    if name not in PRESETS:
        raise InputError(f"--preset {name}: expected one of {', '.join(PRESETS)}")
    try:
        size = int(_given("--data.size", arguments))
    except ValueError:
        # Not given, or the parser says that it is no number.
        return PRESETS[name]
    # The ranges name a size that is none.
    possible = 0 < size <= ranges.MOST_SIDE_PX
    return at_size(PRESETS[name], size) if possible else PRESETS[name]


def _given(option: str, arguments: Sequence[str]) -> str:
    """The last value of an option; empty where it is not given."""
    found = ""
    for argument, value in itertools.pairwise([*arguments, ""]):
        if argument == option:
            found = value
        elif argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
    return found


def _one_line(box: str) -> str:
    """Unwrap the parser's boxed complaint and drop its hint at --help."""
    text: list[str] = []
    for line in box.splitlines():
        # A frame, or the title; where the screen has ASCII only, a title is indented.
        if re.fullmatch(r"[╭╰│─╮╯ -]*|╭.*╮| \S.*", line):
            if text:
                break
            continue
        text.append(line.strip("│ "))
    return f"{' '.join(text)} (--help lists all options)"
