"""Bad input gives one clear line and exit code 2, through the real scripts."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gan.small import CARD, PROVENANCE, make_generator
from tests.tools.conftest import SMALL_NETWORKS, TINY, TOOLS, environment
from tests.tools.hostile import hostile_contents, make_hostile_folder
from tfgansynth.cli.options import Options, parse
from tfgansynth.experiment.experiment_data import load_experiment_data
from tfgansynth.gan.exchange.export import export_generator
from tfgansynth.presets import PRESETS

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
SIZE = 32


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty sound cases in the folder layout."""
    folder = tmp_path / "data"
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[8:24, 4:12] = mask[8:24, 20:28] = 255
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for seed in range(30):
        noise = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), np.uint8)
        Image.fromarray(noise).save(folder / f"images/case{seed:02d}.png")
        Image.fromarray(mask).save(folder / f"masks/case{seed:02d}.png")
    return folder


def assert_refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def train(
    tool: Runner, data: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    out = data.parent / "runs"
    arguments = ["--fold", "1", "--preset", "smoke", "--data", data, "--out", out]
    return tool("train_gan", *arguments, *options)


def test_a_missing_folder_is_named(tool: Runner, tmp_path: Path) -> None:
    assert_refused(train(tool, tmp_path / "nowhere"), "nowhere", "no such folder")


def test_unequal_stems_are_named(tool: Runner, data: Path) -> None:
    (data / "masks/case07.png").rename(data / "masks/case_7.png")

    assert_refused(train(tool, data), "case07.png", "has no mask", "check-data")


def test_an_image_that_is_no_image_is_named(tool: Runner, data: Path) -> None:
    (data / "images/case03.png").write_text("not an image")

    assert_refused(train(tool, data), "images/case03.png")


def test_a_folder_of_hostile_files_is_refused_in_one_line(
    tool: Runner, tmp_path: Path
) -> None:
    make_hostile_folder(tmp_path / "data")

    done = train(tool, tmp_path / "data")

    assert_refused(done, "images/", "more; check-data")
    assert done.stderr[:-1].isprintable()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["noisy.tif", "short3.jpg", "large.png"])
def test_a_hostile_image_is_named_and_no_library_heard(
    tool: Runner, data: Path, name: str
) -> None:
    (data / "images/case03.png").write_bytes(hostile_contents()[name])

    done = train(tool, data)

    assert_refused(done, "images/case03.png: is ", "check-data")
    assert done.stdout == ""


def test_a_data_folder_whose_name_is_no_text_does_not_matter(
    tool: Runner, data: Path
) -> None:
    odd = data.rename(data.parent / "odd\n\udcff")
    many = ["--data.n-validation", "20"]

    assert_refused(train(tool, odd, *many), "30 cases are too few")


def test_an_empty_mask_is_named(tool: Runner, data: Path) -> None:
    Image.fromarray(np.zeros((SIZE, SIZE), np.uint8)).save(data / "masks/case05.png")

    assert_refused(train(tool, data), "masks/case05.png", "empty")


def test_sizes_that_differ_are_named(tool: Runner, data: Path) -> None:
    small = np.zeros((16, 16), np.uint8)
    small[4:12, 2:6] = small[4:12, 10:14] = 255
    Image.fromarray(small).save(data / "masks/case09.png")

    assert_refused(train(tool, data), "case09.png", "16 x 16", "32 x 32")


def test_a_fold_that_does_not_exist_is_refused(tool: Runner, data: Path) -> None:
    small = ["--data.n-validation", "4"]

    assert_refused(train(tool, data, "--fold", "4", *small), "--fold 4", "1 to 3")


def test_too_few_cases_are_refused(tool: Runner, data: Path) -> None:
    many = ["--data.n-validation", "20"]
    assert_refused(train(tool, data, *many), "30 cases are too few", "n-validation")


def test_too_few_cases_to_reduce_are_refused(tool: Runner, data: Path) -> None:
    done = train(tool, data, "--reduced", "--data.n-validation", "4")

    assert_refused(done, "--reduced", "which are 16", "--data.n-reduced")
    # No folder is left that would bind the next attempt to these settings.
    assert not (data.parent / "runs").exists()


def test_an_output_folder_that_cannot_be_made_is_named(
    tool: Runner, data: Path
) -> None:
    blocked = data.parent / "file"
    blocked.write_text("in the way")
    options = ["--out", str(blocked), "--data.n-validation", "4"]

    assert_refused(train(tool, data, *options), "file", "--out")


WRONG = {
    ("run_table", "--preset", "fats"): (
        f"--preset fats: expected one of {', '.join(PRESETS)}: did you mean fast?"
    ),
    ("run_table", "--gan.stepps", "5"): (
        "--gan.stepps: is no option: did you mean --gan.steps? (--help-all lists all)"
    ),
    ("run_table", "--no-assses"): (
        "--no-assses: is no option: did you mean --no-assess? (--help-all lists all)"
    ),
    ("run_table", "--qqq=1"): "--qqq: is no option (--help-all lists all)",
    ("run_table", "--gan.steps", "abc"): "--gan.steps abc: expected a whole number",
    ("run_table", "--gan.steps=1.5"): "--gan.steps 1.5: expected a whole number",
    ("run_table", "--seed"): "--seed: expected a whole number",
    ("run_table", "--folds", "1", "x"): "--folds 1 x: expected whole numbers",
    ("run_table", "--unet.learning-rate", "x"): (
        "--unet.learning-rate x: expected a number"
    ),
    ("run_table", "--data.n-validation", "x"): (
        "--data.n-validation x: expected auto or a whole number"
    ),
    ("run_table", "--gan.loss", "hing"): (
        "--gan.loss hing: expected one of non_saturating, minimax, paper_equation_1, "
        "hinge, wgan_gp: did you mean hinge?"
    ),
    ("run_table", "--reduced", "yes"): "yes: belongs to no option",
    ("train_gan",): (
        "missing: --fold (Number of the fold, from 1); --help lists the options"
    ),
    ("export_set", "--fold", "1"): (
        "missing: RUN (The run folder, which run-table and train-gan name, or a folder "
        "with one run); --help lists the options"
    ),
    ("prepare_data", "from"): (
        "missing: DESTINATION (The folder to make: images/, masks/, dataset.json, "
        "cases.csv and a contact sheet); --help lists the options"
    ),
    ("assess", "x", "--fold", "1", "--preset", "fast"): (
        "--preset: is a setting of the run, which has it already: leave it out"
    ),
    ("export_set", "x", "--fold", "1", "--gan.steps=3"): (
        "--gan.steps: is a setting of the run, which has it already: leave it out"
    ),
}


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_a_wrong_option_is_told_in_words(
    tool: Runner, command: tuple[str, ...]
) -> None:
    done = tool(*command)

    assert (done.returncode, done.stderr) == (2, f"error: {WRONG[command]}\n")


@pytest.mark.parametrize("option", ["--gan.batch", "--unet.batch", "--synthesis.count"])
def test_numbers_that_cannot_be_are_refused(tool: Runner, option: str) -> None:
    assert_refused(tool("run_table", option, "0"), option, "1 or more")


ALL_TOOLS = sorted(path.stem for path in TOOLS.glob("*.py"))
NAMES = ["train_gan", "train_unet", "run_table", "run_curve", "try_recipe", "benchmark"]


HELP_OF_ALL = """
import contextlib, io, runpy, sys, time
for path in [*sys.argv[1:]]:
    sys.argv = [path, "--help"]
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            assert not end.code
    print(path, len(printed.getvalue()) > 100, time.process_time() - start)
    assert "tensorflow" not in sys.modules, path
"""


def test_help_answers_within_a_second_without_tensorflow() -> None:
    """What several import is counted for the first alone."""
    paths = [str(TOOLS / f"{name}.py") for name in ALL_TOOLS]
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL, *paths],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(path, has_help) for path, has_help, _ in lines] == [
        (path, "True") for path in paths
    ]
    for path, _, seconds in lines:
        assert float(seconds) < 1, path


def shown_by_help(tool: Runner, name: str, *options: str) -> str:
    """The help text without its boxes and line breaks."""
    return " ".join(tool(name, *options, "--help-all").stdout.replace("│", " ").split())


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_every_setting_with_its_source(tool: Runner, name: str) -> None:
    shown = shown_by_help(tool, name)

    assert "--gan.steps INT Mini-batches in total. [paper IV-B]; 20000 in" in shown
    assert "in [choice, fast] (default: 12000)" in shown


@pytest.mark.parametrize("name", sorted(set(ALL_TOOLS) - {"benchmark_gpu"}))
def test_help_is_short_and_tells_of_the_rest(tool: Runner, name: str) -> None:
    done = tool(name, "--help")
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith(f"usage: {name}.py ")
    assert max(map(len, lines)) <= 80
    assert lines[-1].split()[0] == "--help-all"
    shown = [line.split()[0] for line in lines if line.startswith("  --")]
    assert len(shown) <= 16
    presets = [line.split()[0] for line in lines if re.match("    [a-z]", line)]
    assert presets == (list(PRESETS) if "--preset" in shown else [])
    assert ("--preset" in shown) == (name in NAMES)
    # What a line has lost at its end would be half a sentence.
    assert "[" not in done.stdout.replace("[OPTIONS]", "")


def test_help_names_defaults_and_what_an_option_takes(tool: Runner) -> None:
    shown = " ".join(tool("try_recipe", "--preset", "fast", "--help").stdout.split())

    assert "--fold N Number of the fold, from 1 (required) " in shown
    assert "--data.size N Side of the square images in pixels, after" in shown
    assert "after downsampling (default: 128) " in shown
    assert "--preset NAME Where the numbers start from" in shown
    assert "(default: fast) paper the paper's own settings; days on a CPU " in shown
    assert "--reduced Train on the reduced set: Table II instead of Table I " in shown


def test_help_shows_the_numbers_of_the_preset_named(tool: Runner) -> None:
    shown = shown_by_help(tool, "run_table", "--preset", "fast")

    assert "Mini-batches in total. [paper IV-B]; 20000 in" in shown
    assert "in [choice, fast] (default: 2000)" in shown


def test_the_resolved_configuration_is_printed_and_nothing_done(
    tool: Runner, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    settings = ("--fold", "2", "--gan.steps", "7")
    done = tool("train_gan", *settings, "--print-config", "--out", out)

    assert done.returncode == 0
    assert '"fold": 2' in done.stdout
    assert '"steps": 7' in done.stdout
    assert not out.exists()


def test_a_dry_run_checks_the_data_shows_the_plan_and_does_nothing(
    tool: Runner, data: Path
) -> None:
    out = data.parent / "runs"
    options = (*TINY, *SMALL_NETWORKS, "--dry-run")

    done = tool("run_table", *options, "--data", data, "--out", out)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Plan: 15 stages, 0 of them done\n  fold-1/gan " in done.stdout
    assert "Time: about " in done.stdout
    assert not out.exists()


def test_a_dry_run_of_a_missing_folder_is_refused(tool: Runner, tmp_path: Path) -> None:
    done = tool("run_table", "--dry-run", "--data", tmp_path / "nowhere")

    assert_refused(done, "nowhere", "no such folder")


# Generators from elsewhere


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported generator of this program."""
    generator = make_generator()
    folder = tmp_path_factory.mktemp("gan")
    export_generator(generator, PROVENANCE, CARD, folder)
    return folder


def truncated(folder: Path) -> Path:
    """A SavedModel of unknown provenance that was cut short."""
    for name in ("provenance.json", "generator.safetensors"):
        (folder / "generator" / name).unlink()
    graph = folder / "generator/saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:5000])
    return folder / "generator"


def random_saved_model(folder: Path) -> Path:
    """Random bytes in the place of a SavedModel."""
    model = folder / "random"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(np.random.default_rng(0).bytes(10_000))
    return model


def random_weights(folder: Path) -> Path:
    """Random bytes in the place of the weights."""
    path = folder / "generator/generator.safetensors"
    path.write_bytes(np.random.default_rng(0).bytes(10_000))
    return folder / "generator"


def altered(folder: Path) -> Path:
    """A SavedModel whose record shows that it was altered."""
    (folder / "generator/generator.safetensors").unlink()
    with (folder / "generator/saved_model.pb").open("ab") as file:
        file.write(b"\0")
    return folder / "generator"


def altered_weights(folder: Path) -> Path:
    """Weights of which one byte differs."""
    path = folder / "generator/generator.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return folder / "generator"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that nothing is trained in yet."""
    options = parse(Options, TINY, program="test")
    data = load_experiment_data(options.config, None)
    return data.experiment(options.config, tmp_path / "runs").open().run.root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated, ["is not a SavedModel of a generator"]),
        (random_saved_model, ["is not a SavedModel of a generator"]),
        (random_weights, ["not a safetensors file"]),
        (altered, ["was altered since it was written", "saved_model.pb"]),
        (altered_weights, ["cannot be read"]),
        (lambda folder: folder / "generator.keras", [".keras files are not read"]),
        (lambda folder: folder / "nothing", ["there is no such file or folder"]),
    ],
)
def test_a_generator_that_cannot_be_trusted_is_refused(
    tool: Runner,
    exported: Path,
    run: Path,
    tmp_path: Path,
    make: Callable[[Path], Path],
    words: list[str],
) -> None:
    model = make(shutil.copytree(exported, tmp_path / "gan"))

    start = time.monotonic()
    drawing = "synthesize", run, "--fold", "1", "--count", "3"
    done = tool(*drawing, "--generator", model)

    assert_refused(done, str(model), *words)
    # Most of it is waiting for imports, in this process and the isolated one.
    assert time.monotonic() - start < 40
    assert not list(run.rglob("synthetic*"))


@pytest.mark.slow
def test_exported_weights_are_drawn_from(
    tool: Runner, exported: Path, run: Path
) -> None:
    done = tool(
        *("synthesize", run, "--fold", "1", "--count", "3"),
        *("--synthesis.mask-threshold", "1", "--synthesis.hash-distance", "0"),
        *("--generator", exported / "generator"),
    )

    assert done.returncode == 0, done.stderr
    assert "SAVEDMODEL" not in done.stdout
    sha256 = PROVENANCE["generator_sha256"]
    (folder,) = run.rglob(f"synthetic-3-{sha256[:8]}")
    assert len(list((folder / "images").glob("*.png"))) == 3
