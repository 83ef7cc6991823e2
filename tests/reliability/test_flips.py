"""Damaged files of a run are noticed, or nothing depends on them."""

import functools
import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.reliability.comparison import differences
from tests.reliability.conftest import Reference, Start
from tests.reliability.faults import checkpoint_every_epoch, kill_at
from tests.reliability.settings import FOLDER

pytestmark = pytest.mark.slow

MADE_AGAIN, REFUSED, UNUSED = "made again", "refused", "unused"
"""What comes of a damaged file: the same as without damage; exit code 2 and a line
that names it; all the same but for the file itself, which nothing reads."""

GAN, SET, UNET = "fold-1/gan", "fold-1/synthetic", "fold-1/unet-r6-s0"
PSEUDO_LABEL = "fold-1/pseudo-labels/member-1"
OUTCOMES = {
    "config.json": {REFUSED},
    "cases.json": {REFUSED},
    "splits.json": {REFUSED},
    # Nothing is added to them in a finished run, and tables are made of them.
    "machine.json": {REFUSED},
    "timings.json": {REFUSED},
    "memory.json": {MADE_AGAIN},
    "table.json": {MADE_AGAIN},
    "table.csv": {MADE_AGAIN},
    "table.md": {MADE_AGAIN},
    f"{GAN}/checkpoints/step-000006.safetensors": {MADE_AGAIN},
    f"{GAN}/checkpoints/step-000004.safetensors": {UNUSED},
    f"{GAN}/history.csv": {UNUSED},
    f"{GAN}/provenance.json": {REFUSED},
    # The report shows it, if it can still be decoded.
    f"{GAN}/samples/step-000002.png": {REFUSED, UNUSED},
    f"{GAN}/tensorboard/events.out.tfevents.gan": {UNUSED},
    f"{PSEUDO_LABEL}/checkpoints/step-000001.safetensors": {UNUSED},
    f"{PSEUDO_LABEL}/history.csv": {REFUSED},
    f"{PSEUDO_LABEL}/model.keras": {UNUSED},
    f"{PSEUDO_LABEL}/model.safetensors": {REFUSED},
    f"{PSEUDO_LABEL}/provenance.json": {REFUSED},
    f"{SET}/manifest.json": {REFUSED},
    f"{SET}/images/synthetic-00002.png": {REFUSED},
    f"{SET}/masks/synthetic-00003.png": {REFUSED},
    f"{SET}/contact_sheet.png": {UNUSED},
    f"{UNET}/checkpoints/step-000003.safetensors": {UNUSED},
    f"{UNET}/history.csv": {REFUSED},
    f"{UNET}/model.keras": {UNUSED},
    f"{UNET}/model.safetensors": {REFUSED},
    f"{UNET}/cases.csv": {REFUSED},
    f"{UNET}/predictions.png": {REFUSED},
    f"{UNET}/provenance.json": {REFUSED},
}
"""By file of a finished run."""

IN_THE_MIDDLE = "fold-1/unet-r6-s3/checkpoints/step-000002.safetensors"
HALF_DONE = {
    IN_THE_MIDDLE: {MADE_AGAIN},
    "fold-1/unet-r6-s3/checkpoints/step-000001.safetensors": {MADE_AGAIN},
    **{name: OUTCOMES[name] for name in OUTCOMES if name != "table.json"},
    "machine.json": {MADE_AGAIN, UNUSED},
    "timings.json": {MADE_AGAIN},
}
"""By file of a run that was killed in its second U-Net."""

NEWEST = (f"{GAN}/checkpoints/step-000006.safetensors", IN_THE_MIDDLE)
"""Checkpoints to go on from, which are passed over with a line."""

SHORT = (f"{GAN}/checkpoints/step-000006.safetensors", f"{UNET}/model.safetensors")


def test_damage_in_a_finished_run(
    request: pytest.FixtureRequest,
    reference: Reference,
    start: Start,
    tmp_path: Path,
    rng: random.Random,
) -> None:
    flips = request.config.getoption("--flips")
    names = [*OUTCOMES] * flips or SHORT
    for name in names:
        outcome = damage(reference.run, name, reference, start, tmp_path, rng)
        print(f"FLIPPED in a finished run: {name}: {outcome}")
        assert outcome in OUTCOMES[name]


def test_damage_in_a_half_done_run(
    request: pytest.FixtureRequest,
    reference: Reference,
    start: Start,
    tmp_path: Path,
    rng: random.Random,
) -> None:
    flips = request.config.getoption("--flips")
    if not flips:
        pytest.skip("long: --flips N")
    half = tmp_path / "half"
    half.mkdir()
    (place,) = (
        number
        for number, moment, call in reference.moments
        if (moment, call) == ("after", f"replace /{FOLDER}/{IN_THE_MIDDLE}.partial")
    )
    killed = start(half, functools.partial(kill_at, place, "after")).wait()
    assert killed.code == -signal.SIGKILL
    for name in [*HALF_DONE] * flips:
        outcome = damage(half / FOLDER, name, reference, start, tmp_path, rng)
        print(f"FLIPPED in a half-done run: {name}: {outcome}")
        assert outcome in HALF_DONE[name]


def damage(
    run: Path,
    name: str,
    reference: Reference,
    start: Start,
    folder: Path,
    rng: random.Random,
) -> str:
    """Damage a file in a copy of a run, go on in it, and tell what came of it."""
    out = folder / "damaged"
    shutil.copytree(run, out / FOLDER)
    path = out / FOLDER / name
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    if rng.random() < 0.25:
        del content[place:]
    else:
        content[place] ^= rng.randrange(1, 256)
    path.write_bytes(content)

    ended = start(out, checkpoint_every_epoch).wait()

    changed = differences(out / FOLDER, reference.run)
    shutil.rmtree(out)
    if ended.code == 2:
        (line,) = ended.stderr.splitlines()
        assert line.startswith("error: ")
        assert name in line
        return REFUSED
    assert ended.code == 0, ended.stderr
    assert not ended.stderr
    if changed:
        assert changed == [name]
        return UNUSED
    if name in NEWEST:
        assert f"{path}: cannot be read" in ended.stdout
    return MADE_AGAIN
