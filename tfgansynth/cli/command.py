"""What all commands share: one-line errors, exit codes, opening a run."""

import dataclasses
import io
import itertools
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tfgansynth.cli.failures import DONE, close_stdout, explain
from tfgansynth.cli.options import (
    Options,
    OptionsType,
    RunOptions,
    SpreadOptions,
    parse,
)
from tfgansynth.config import Config
from tfgansynth.errors import InputError
from tfgansynth.runtime import signals

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import ExperimentData
    from tfgansynth.experiment.stage_runs import Outcome
    from tfgansynth.experiment.study import Part, Study
    from tfgansynth.planning.graph import Kind, PlannedStage
    from tfgansynth.planning.requests import RequestOf
    from tfgansynth.reporting.screen import Outlook
    from tfgansynth.runtime.timing import Timer

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

    options: Options | RunOptions
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
        from tfgansynth.experiment.study import prepare

        return prepare(
            self.data,
            self.options.config,
            self.options.out,
            n_seeds=n_seeds,
            folds=folds,
            request=request,
            kinds=kinds,
        )

    @property
    def _spread(self) -> SpreadOptions:
        """How many stages run at a time, and where."""
        options = self.options
        return options if isinstance(options, SpreadOptions) else SpreadOptions()

    def start(self, study: "Study") -> "Study | None":
        """Say what to expect, open the run folders and import TensorFlow.

        A dry run prints the whole plan instead.

        Other processes that run the stages import TensorFlow themselves.

        Returns:
            The opened study; None for a dry run.

        Raises:
            InputError: A run folder belongs to other data, or another process works
                in it; or options do not fit together.
        """
        from tfgansynth.cli.dry_run import describe, expect

        workers, is_here = self._spread.workers, self._spread.is_here
        if self._spread.collect and self._spread.scheduler is None:
            raise InputError("--collect: takes results back from --scheduler: name it")
        lines = (each.experiment.split_lines() for each in study.parts)
        for line in dict.fromkeys(itertools.chain(*lines)):
            print(line)
        if self.options.dry_run:
            print(describe(study, self.options.out, workers))
            return None
        from tfgansynth.runtime.devices import import_tensorflow_quietly

        opened = study.open()
        print(_places(opened))
        is_open = any(_open_stages(part) for part in opened.parts)
        if is_open:
            opened, expectation = expect(opened, self.options.out, workers)
            print(expectation)
        if is_here:
            with self.timer.part("libraries"):
                import_tensorflow_quietly()
        # A command that has nothing to do would only lengthen the record.
        if is_open:
            if is_here:
                print(_machine(self.options.config))
            seconds = self.timer.timings("start")
            opened.parts[0].experiment.run.add_seconds(seconds)
        return opened

    def outcomes(
        self, parts: "Sequence[Part]", *, tolerant: bool = False
    ) -> "Iterator[tuple[Part, Outcome]]":
        """Run the stages of opened parts that are not done, and show them.

        Yields:
            Each stage once it is done, or known to have no result.
        """
        from tfgansynth.reporting.screen import Outlook, Screen

        spread = self._spread
        is_elsewhere = spread.scheduler is not None
        outlook = Outlook(
            parts,
            together=is_elsewhere,
            share_cores=not is_elsewhere and spread.workers > 1,
        )
        n_stages = sum(len(part.plan.stages) for part in parts)
        n_open = sum(len(_open_stages(part)) for part in parts)
        screen = Screen(
            parts, outlook, n_done=n_stages - n_open, verbose=self.options.verbose
        )
        yield from screen.follow(self._run(parts, outlook, tolerant=tolerant))

    def _run(
        self, parts: "Sequence[Part]", outlook: "Outlook", *, tolerant: bool
    ) -> "Iterator[tuple[Part, Outcome]]":
        spread = self._spread
        if spread.scheduler is not None:
            client = _cluster_client(spread.scheduler)
            yield from client.execute(
                parts,
                spread.scheduler,
                tolerant=tolerant,
                collect=spread.collect,
                running=outlook.running,
            )
            return
        from tfgansynth.experiment.executors import execute

        for part in parts:
            for outcome in execute(
                part.experiment,
                part.plan,
                tolerant=tolerant,
                workers=spread.workers,
                running=outlook.running_of(part),
            ):
                yield part, outcome

    def finish(self, part: "Part") -> None:
        """Run the stages of an opened part that are not done, and show them.

        A report that the run has is written again, if there is more to show.
        """
        from tfgansynth.records.files import REPORT
        from tfgansynth.reporting.html.page import write_report

        computed = False
        for _, outcome in self.outcomes([part]):
            computed |= outcome.computed
        root = part.experiment.run.root
        if computed and (root / REPORT).exists():
            with part.experiment.run.writing():
                write_report(root)

    def start_one(
        self,
        request: "RequestOf",
        fold: int,
        kinds: "Collection[Kind] | None" = None,
    ) -> "Part | None":
        """Plan and start what a command wants of one fold of one seed."""
        opened = self.start(self.study(request, folds=[fold], kinds=kinds))
        return opened.parts[0] if opened else None


def _cluster_client(scheduler: str) -> ModuleType:
    try:
        from tfgansynth.cluster import client
    except ModuleNotFoundError as fault:
        raise InputError(
            f"--scheduler {scheduler}: {fault.name} is not installed: "
            "pip install distributed"
        ) from fault
    return client


def _open_stages(part: "Part") -> list["PlannedStage"]:
    from tfgansynth.cli.dry_run import is_sealed

    root = part.experiment.run.root
    return [stage for stage in part.plan.stages if not is_sealed(root, stage)]


def _places(study: "Study") -> str:
    """Say in one line where a study's runs lie."""
    roots = [part.experiment.run.root for part in study.parts]
    if len(roots) == 1:
        return f"Run: {roots[0]}"
    return f"Runs: {len(roots)} folders in {os.path.commonpath(roots)}"


def _machine(config: Config) -> str:
    """Say in one line where networks are trained, and in which number formats."""
    from tfgansynth.runtime.devices import explain_device, explain_precision

    gan, unet = map(explain_precision, (config.gan.precision, config.unet.precision))
    formats = gan if gan == unet else f"GAN: {gan}; U-Net: {unet}"
    return f"Machine: {explain_device()}, {formats}"


def require_there(**paths: Path | None) -> None:
    """Refuse options that name what is not there, before anything runs.

    Raises:
        InputError: Names the option.
    """
    for name, path in paths.items():
        if path and not path.exists():
            raise InputError(f"--{name} {path}: there is no such file or folder")


def load(options: Options | RunOptions) -> Loaded:
    """Load the data that the options, or the run that they name, name.

    Raises:
        InputError: The data do not fit.
    """
    # Imported late: --help must not wait for it.
    from tfgansynth.experiment import experiment_data
    from tfgansynth.runtime.timing import Timer

    timer = Timer()
    with timer.part("cases"):
        if isinstance(options, RunOptions):
            data = experiment_data.load_run_data(
                options.run, options.config, options.data
            )
        else:
            data = experiment_data.load_experiment_data(
                options.config, options.data_folder, options.patient_pattern
            )
    return Loaded(options, data, timer)
