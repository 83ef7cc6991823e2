"""Commands that make or look at a data set, and look at this machine."""

import dataclasses
from pathlib import Path

import tyro

from tfgansynth import ranges
from tfgansynth.cli.command import require_there
from tfgansynth.cli.failures import DONE, WRONG_USE
from tfgansynth.cli.options import Options
from tfgansynth.config import Config
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.prepare.options import Options as Choices
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PrepareData(Choices):
    """Make a data set for --data from images and masks as they are.

    Says what it understood, and refuses what is ambiguous with the choices to make.
    """

    source: tyro.conf.Positional[Path]
    """A folder of images and masks, or a CSV with columns image and mask."""
    destination: tyro.conf.Positional[Path]
    """The folder to make: images/, masks/, dataset.json, cases.csv and a contact
    sheet."""


def prepare_data(options: PrepareData) -> None:
    """Import and print."""
    from tfgansynth.data.prepare.importing import prepare

    prepare(options.source, options.destination, options, print)
    print(
        f"WRITTEN: {options.destination}; look at "
        f"{options.destination / 'contact-sheet.png'}, then: tfgansynth check-data "
        f"{options.destination}"
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CheckData:
    """Check a data set: show what is read, and name every fault.

    Exit code 0: ready for run-table. 2: faults, too few cases, or wrong use.
    """

    data: tyro.conf.Positional[Path]
    """The data set: as prepare-data makes it, images/ and masks/ with equal file names,
    or the JSRT images with the SCR masks."""
    lungs: Lungs = "both"
    """Which lungs of the patient, where the target is lungs."""
    target: ranges.Name = ""
    """What the masks show, in a word or two. Default: as dataset.json says."""
    size: ranges.Side = Config().data.size
    """The --data.size of later commands: what it does to masks is told."""
    allow_duplicates: bool = False
    """Note images that are there twice, altered or not, instead of calling them
    faults."""
    each_file: bool = False
    """A line for each file that has a fault, instead of one for many equal faults."""
    contact_sheet: Path | None = None
    """PNG file to write: the first 12 cases, with the outlines of their masks."""


def check_data(options: CheckData) -> int:
    """Check and print."""
    from tfgansynth.data.checks.report import check
    from tfgansynth.pictures import contact_sheet
    from tfgansynth.runtime.storage import write_png

    sheet = options.contact_sheet
    if sheet and (sheet.suffix.lower() != ".png" or sheet.is_dir()):
        raise InputError(f"--contact-sheet {sheet}: expected a file NAME.png")

    report = check(
        options.data,
        options.lungs,
        target=options.target,
        size=options.size,
        allow_duplicates=options.allow_duplicates,
        with_tiles=sheet is not None,
    )
    if sheet and report.tiles:
        try:
            write_png(sheet, contact_sheet(report.tiles))
        except OSError as fault:
            raise InputError(f"--contact-sheet {sheet}: {fault.strerror}") from fault
        print(f"CONTACT SHEET: {sheet}")
    print(report.text(each_file=options.each_file))
    return DONE if report.is_ready else WRONG_USE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark(Options):
    """Time a training step of the GAN and of the U-Net; no data needed.

    Says what hardware it found, how much of its measured peak the networks reach,
    and how long a fold will take.
    """

    repeats: ranges.Count = 5
    """Rounds to time, after a warm-up; their median counts."""
    peer: bool = False
    """Also time the same networks in plain Keras and, where it is installed,
    PyTorch, in turn with ours."""
    json: Path | None = None
    """File that takes all of it as JSON, the configuration included."""


def benchmark(options: Benchmark) -> None:
    """Measure and print."""
    if options.json and options.json.is_dir():
        raise InputError(f"--json {options.json}: expected a file, found a folder")
    if options.peer and options.config.unet.architecture != "paper":
        raise InputError(
            "--peer: expected --unet.architecture paper, as the peers have"
        )
    gan = options.config.gan
    if options.peer and (
        gan.loss == "wgan_gp"
        or gan.upsampling == "resize"
        or gan.discriminator_updates > 1
    ):
        raise InputError(
            "--peer: the peers do not have --gan.loss wgan_gp, --gan.upsampling resize "
            "or more than one of --gan.discriminator-updates: leave them out"
        )
    require_there(data=options.data)
    if options.dry_run:
        print(f"Plan: {options.repeats} rounds of steps; no data, no run folder")
        return
    from tfgansynth.benchmark.measurement import measure
    from tfgansynth.benchmark.report import as_dict, as_text
    from tfgansynth.runtime.storage import write_json

    found = measure(
        options.config,
        repeats=options.repeats,
        with_peers=options.peer,
        say=lambda line: print(f"measuring {line}"),
    )
    print(f"\n{as_text(found)}")
    if options.json:
        try:
            write_json(options.json, as_dict(found))
        except OSError as fault:
            raise InputError(f"--json {options.json}: {fault}") from fault
