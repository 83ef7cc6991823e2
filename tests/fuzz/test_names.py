"""Whole folders of hostile names, links and special files."""

import io
import os
import random
import shutil
import stat
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.hostile import MOST_SECONDS, processor_seconds
from tfgansynth.data.checks.examining import find_cases
from tfgansynth.data.checks.report import check
from tfgansynth.data.loading import load_directory
from tfgansynth.errors import InputError

SAFE_STEMS = ("a", "b", "case 1", "case-2_x", "a.b", "JPCLN001", "JPCNN002", "ä", "ß")
STEMS = (
    *("A", "jpcln001", "SS", "a\u0308", "\ufb01", "\u017f", "\u212a", "\u0130"),
    *("JPCLN\uff10\uff10\uff11", "\u202etxt", "\u200b", "\U0001f600", "\udcff"),
    *("..", "...", "~", "-rf", "*", "$(id)", "%s{0}", "=1+1", "CON", "a:b", "a\\b"),
    *(" ", " a", "a.", "two\nlines", "\x1b[31m", "\r", "x" * 200),
)
SUFFIXES = (".PNG", ".jpg", ".gif", ".tif", ".bmp", ".IMG", ".txt", ". png", ".")
FOLDERS = {
    "folder": ("images", "masks"),
    "jsrt": ("", "images", "left lung", "Right_Lung/x", "heart", "\udcfe/left-lung"),
}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def valid(rng: random.Random, part: str) -> bytes:
    """Make an image, or a mask for the parts of a data set that hold masks."""
    pixels = np.zeros((32, 32), np.uint8)
    if part in ("images", ""):
        pixels[:] = np.frombuffer(rng.randbytes(32), np.uint8)
    else:
        pixels[8:24, 4:12] = pixels[8:24, 20:28] = 255
    return png(pixels)


def put_something(path: Path, rng: random.Random) -> None:
    """Put something other than a valid file at a path."""
    kind = rng.choice(["junk", "link", "link", "folder", "pipe", "socket"])
    if kind == "link":
        siblings = [str(sibling) for sibling in [*path.parent.iterdir(), path]]
        targets = ["/dev/zero", "/etc/passwd", "..", "nowhere", "../../outside.png"]
        path.symlink_to(rng.choice([*targets, *siblings]))
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.write_bytes(rng.randbytes(20))


def hostile_folder(root: Path, rng: random.Random) -> None:
    """Fill a folder in one of the layouts; most names are in all its parts."""
    hostility = rng.choice([0.0, 0.02, 0.3])
    stems = rng.sample(SAFE_STEMS, 4)
    stems += [stem for stem in STEMS if rng.random() < hostility]
    for part in FOLDERS[rng.choice(["folder", "folder", "jsrt"])]:
        folder = root / part
        folder.mkdir(parents=True, exist_ok=True)
        for stem in stems:
            suffix = rng.choice(SUFFIXES) if rng.random() < hostility else ".png"
            path = folder / f"{stem}{suffix}"
            if rng.random() < hostility:
                put_something(path, rng)
            else:
                path.write_bytes(valid(rng, part))
    if rng.random() < hostility / 3:
        part = rng.choice(["images", "masks"])
        shutil.rmtree(root / part, ignore_errors=True)
        (root / part).symlink_to(rng.choice(["..", part, "/proc", "nowhere"]))


def state(folder: Path) -> dict[str, int]:
    """Every path in a folder with the time it was last changed."""
    return {
        os.path.join(top, name): os.lstat(os.path.join(top, name)).st_mtime_ns
        for top, folders, names in os.walk(folder)
        for name in [*folders, *names]
    }


def assert_one_line_each(root: Path) -> None:
    report = check(root, "both")
    lines = report.text(each_file=True).split("\n")
    n_heads = 1 + bool(report.image_sizes) + bool(report.mask_sizes)
    n_heads += bool(report.mask_areas) + len(report.split) + len(report.reasons)
    n_heads += bool(report.notes) + bool(report.faults) + 1
    assert len(lines) == n_heads + len(report.notes) + len(report.faults)
    lines += report.text().split("\n")
    assert all(line.isprintable() for line in lines), lines


def assert_inside(root: Path) -> None:
    for source in find_cases(root).sources:
        for path in (source.image_path, *source.mask_paths.values()):
            assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def loads(root: Path) -> bool:
    """Load, check what is promised, and return whether there was a data set."""
    try:
        assert_inside(root)
        names = load_directory(root, "both", 32, soft_masks=False).case_ids
    except InputError as error:
        complaint = str(error)
        assert complaint.isprintable()
        return False
    assert len({name.casefold() for name in names}) == len(names)
    assert all(name.isprintable() and "/" not in name for name in names)
    return True


def test_hostile_folders(fuzz_seeds: range, tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(valid(random.Random(0), "images"))
    n_loaded = 0
    slowest = 0.0
    for number in fuzz_seeds:
        seed = f"names-{number}"
        root = tmp_path / "data"
        root.mkdir()
        hostile_folder(root, random.Random(seed))
        before = state(tmp_path)
        start = processor_seconds()
        try:
            assert_one_line_each(root)
            n_loaded += loads(root)
            assert state(tmp_path) == before
            slowest = max(slowest, processor_seconds() - start)
            assert slowest < MOST_SECONDS
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        shutil.rmtree(root)
    print(f"{len(fuzz_seeds)} folders: {n_loaded} loaded, slowest {slowest:.2f} s")
    # Folders that are all refused, or none, would test little.
    assert 0.1 < n_loaded / len(fuzz_seeds) < 0.9
