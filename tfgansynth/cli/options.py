"""Options that commands share, and the parsing of a command line."""

import contextlib
import dataclasses
import io
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from tfgansynth import ranges
from tfgansynth.cli.failures import did_you_mean
from tfgansynth.cli.help import (
    describe_fields,
    given,
    option_names,
    short_help,
    what_is_wrong,
)
from tfgansynth.config import Config
from tfgansynth.config_checks import check, check_ranges
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS, at_size, with_modern_unet

DATA_VARIABLE = "TFGANSYNTH_DATA"
"""Environment variable that names the data set when --data does not."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options of every command that starts a run, or goes on with it.

    The number after each option is the chosen preset's; the source of each number
    stands in brackets.
    """

    data: Path | None = None
    """Folder of the data set; without it, the built-in phantoms. It is as prepare-data
    makes it, has images/ and masks/ with equal names, or JSRT images with SCR masks.
    The environment variable TFGANSYNTH_DATA names it too. Phantoms show that the
    program works and nothing about patients."""
    patient_pattern: str | None = None
    """Regular expression that finds the patient in the name of each case: its first
    group, or all of its match. Without it, the column patient of the data set's
    cases.csv, if there is one; no patient is in two parts of a split. Groups, in a
    column group, are in all parts in proportion."""
    out: Path = Path("saved_models")
    """Folder that takes the run folder."""
    dry_run: bool = False
    """Check the data, print the plan and do nothing: its stages, which are done, the
    time and memory expected here. If no earlier run tells, a few steps are timed."""
    verbose: bool = False
    """Print more: of each stage where its time went, all tables after each fold."""
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
    """Options of every command that starts with one fold."""

    fold: ranges.Count
    """Number of the fold, from 1."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpreadOptions(Options):
    """Options of every command whose stages may run side by side."""

    workers: ranges.Few = 1
    """Stages at a time, each in a process of its own with its share of the cores, where
    a machine has the memory; on a machine with several GPUs, one GPU each."""
    scheduler: str | None = None
    """Run the stages on a Dask cluster: the address of its scheduler, as in
    tcp://host:8786, or the file that it has written. It needs pip install distributed,
    and --out in a folder that all machines share."""
    collect: bool = False
    """With --scheduler, where no folder is shared: send to each stage what it needs,
    and take its files back."""

    @property
    def is_here(self) -> bool:
        """Whether stages run in this process, one after the other."""
        return self.workers == 1 and self.scheduler is None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Options of every command that takes a fold of a run.

    All settings are those of the run. A command may have some of its sections.
    """

    run: tyro.conf.Positional[Path]
    """The run folder, which run-table and train-gan name, or a folder with one run."""
    fold: ranges.Count
    """Number of the fold, from 1."""
    data: Path | None = None
    """The data set of the run, where its folder has moved. Without it, the folder that
    it was read from before."""
    dry_run: bool = False
    """Check the data, print the plan and do nothing: its stages, which are done, the
    time and memory expected here. If no earlier run tells, a few steps are timed."""
    verbose: bool = False
    """Print more: of each stage where its time went, all tables after each fold."""
    config: tyro.conf.Fixed[tyro.conf.Suppress[Config]] = PRESETS["paper"]

    @property
    def out(self) -> Path:
        """The folder that has the run folder."""
        return self.run.parent


OptionsType = TypeVar("OptionsType")

_OF_CLUSTERS = {"--scheduler", "--collect"}
"""Options that few need: --help leaves them out, --help-all and the docs have them."""


def parse(
    options_type: type[OptionsType], arguments: Sequence[str], *, program: str
) -> OptionsType:
    """Parse a command line, starting from the preset, or the run, that it names.

    The arguments are those after the command's name; help calls the command `program`.

    Raises:
        InputError: An option is unknown or its value is not possible.
    """
    arguments = [in_home(argument) for argument in arguments]
    for name, value in itertools.pairwise(["argument", *arguments]):
        if not value or (value[:2] == "--" and value.partition("=")[1:] == ("=", "")):
            raise InputError(f"{value or name}: expected a value, not an empty one")
    default = _defaults(options_type, arguments)
    if {"-h", "--help"} & {*arguments}:
        # What all commands that start a run have in common is much.
        is_of_runs = issubclass(options_type, Options | RunOptions)
        rare = _options_of_starts() if is_of_runs else set()
        print(short_help(options_type, default, program, rare | _OF_CLUSTERS))
        raise SystemExit(0)
    options = _parse(options_type, arguments, default, program)
    if isinstance(options, RunOptions):
        options = _of_run(options_type, options, arguments, default, program)
    check_ranges(options)
    if isinstance(options, Options | RunOptions):
        check(options.config)
    return options


def _parse(
    kind: type[OptionsType], arguments: Sequence[str], default: Any, program: str
) -> OptionsType:
    if "--help-all" in arguments:
        describe_fields(kind)
        arguments = ["--help"]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options: OptionsType = tyro.cli(
                kind, prog=program, args=arguments, default=default
            )
            return options
    except SystemExit as end:
        if end.code in (0, None):
            raise
        of_runs = _options_of_starts() if issubclass(kind, RunOptions) else set()
        box = complaint.getvalue()
        wrong = what_is_wrong(box, arguments, kind, default, of_runs)
        raise InputError(wrong) from end


def _options_of_starts() -> set[str]:
    return option_names(Options, Options())


def _of_run(
    kind: type[Any],
    options: RunOptions,
    arguments: Sequence[str],
    default: Any,
    program: str,
) -> Any:
    """Parse once more, starting from the settings of the run that was named."""
    # Imported late: --help must not wait for it.
    from tfgansynth.records import converter, files
    from tfgansynth.records.reading.run import find_run
    from tfgansynth.records.runs import Settings

    root = find_run(options.run)
    config = converter.read(root / files.CONFIG, Settings).config
    sections = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(kind)
        if dataclasses.is_dataclass(getattr(options, field.name))
        and field.name != "config"
    }
    if sections:
        default = dataclasses.replace(default, **sections)
        options = _parse(kind, arguments, default, program)
        given = {name: getattr(options, name) for name in sections}
        config = dataclasses.replace(config, **given)
    return dataclasses.replace(options, run=root, config=config)


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
        and field.default_factory is dataclasses.MISSING
    }
    if issubclass(options_type, Options):
        values["config"] = _preset(arguments)
    return options_type(**values)


def _preset(arguments: Sequence[str]) -> Config:
    """The named preset, at the named size and with the named architecture.

    What is given besides replaces its values.
    """
    name = " ".join(given("--preset", arguments)) or Config().preset
    if name not in PRESETS:
        raise InputError(
            f"--preset {name}: expected one of {', '.join(PRESETS)}"
            f"{did_you_mean(name, PRESETS)}"
        )
    preset = PRESETS[name]
    # A value that is none is the parser's to refuse.
    with contextlib.suppress(ValueError):
        size = int(" ".join(given("--data.size", arguments)))
        # The ranges name a size that is none.
        if 0 < size <= ranges.MOST_SIDE_PX:
            preset = at_size(preset, size)
    if given("--unet.architecture", arguments) == ["modern"]:
        preset = with_modern_unet(preset)
    return preset
