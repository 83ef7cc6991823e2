"""Names of classes are usable ones, and unused or lost masks are no target."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.inputs import (
    SIDE,
    N,
    disc,
    masks,
    noise,
    pixel_counts,
    run,
    save,
    write_pairs,
)
from tfgansynth.data.loading import load_directory
from tfgansynth.errors import InputError

LEFT, RIGHT = disc(40, 70, 12), disc(40, 25, 9)
EMPTY = LEFT & False


def one_hot(root: Path, classes: dict[str, np.ndarray]) -> Path:
    """Write three cases with a folder a class."""
    for case in ("u", "v", "w"):
        save(root / f"images/{case}.png", noise(ord(case)))
        for name, inside in classes.items():
            save(root / f"masks/{name}/{case}.png", inside.astype(np.uint8) * 255)
    return root


@pytest.mark.parametrize("name", ["background", "Background"])
def test_a_folder_of_the_background_is_left_out(tmp_path: Path, name: str) -> None:
    shown = {"left": LEFT, "right": RIGHT, name: ~(LEFT | RIGHT)}
    root = one_hot(tmp_path / "in", shown)

    described, lines = run(root, tmp_path / "out")
    run(root, tmp_path / "any", foreground="any", target="lungs")

    assert described.classes == ("left", "right")
    assert pixel_counts(tmp_path / "out")[1:] == [3 * LEFT.sum(), 3 * RIGHT.sum()]
    assert f"masks: {name} is the background, left out" in lines
    assert pixel_counts(tmp_path / "any")[1:] == [3 * (LEFT | RIGHT).sum()]


@pytest.mark.parametrize("name", ["mean", "ignore", "left.lung", "d\u00e9", "x" * 41])
def test_other_names_are_refused_until_they_are_stated(
    tmp_path: Path, name: str
) -> None:
    root = one_hot(tmp_path / "in", {name: LEFT, "right": RIGHT})
    to = tmp_path / "out"

    with pytest.raises(InputError, match=rf"the class {name}: .* with --classes NAME="):
        run(root, to)
    with pytest.raises(InputError, match="the class mean: "):
        run(root, to, classes=(f"mean={name}", "right=right"))
    described, _ = run(root, to, classes=(f"left lung={name}", "right=right"))
    assert described.classes == ("left lung", "right")


def test_names_of_a_description_are_checked(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: LEFT.astype(np.uint8))
    run(root, tmp_path / "out")
    path = tmp_path / "out/dataset.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "classes": {"background": 0, "a_b": 1}}))

    with pytest.raises(InputError, match=r"altered \(the class a_b: expected letters"):
        load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)
    (root / "dataset.json").write_text('{"labels": {"Background": 0, "a+b": 1}}')
    with pytest.raises(InputError, match=r"the class a\+b: .* example 'a b=VALUE'"):
        run(root, tmp_path / "other")
    (root / "dataset.json").write_text('{"labels": {"Background": 0, "a_b": 1}}')
    described, _ = run(root, tmp_path / "other")
    assert described.classes == ("a b",)


def test_masks_of_classes_that_are_left_out_are_no_target(tmp_path: Path) -> None:
    root, to = tmp_path / "in", tmp_path / "out"
    one_hot(root, {"left": LEFT, "right": RIGHT})
    save(root / "masks/left/v.png", EMPTY.astype(np.uint8))
    (root / "masks/left/w.png").unlink()
    choices = {"classes": ("lung=left",)}

    with pytest.raises(InputError, match=r"2 masks are empty \(v, w\)"):
        run(root, to, **choices)
    kept, _ = run(root, to, **choices, negatives="keep")
    assert kept.negatives == ("v", "w")
    assert [int(each.sum()) for each in masks(to)] == [LEFT.sum(), 0, 0]
    run(root, tmp_path / "one", **choices, negatives="drop")
    assert [p.stem for p in (tmp_path / "one/images").iterdir()] == ["u"]


def test_masks_that_are_cut_away_are_no_target(tmp_path: Path) -> None:
    def drawn(index: int) -> np.ndarray:
        mask = np.zeros((SIDE, 2 * SIDE), np.uint8)
        start = 0 if index == 5 else SIDE
        mask[10:20, start : start + 10] = 1
        return mask

    root, to = tmp_path / "in", tmp_path / "out"
    write_pairs(root, drawn, lambda i: noise(i, (SIDE, 2 * SIDE)))

    with pytest.raises(InputError, match=r"1 masks are empty \(c05\)"):
        run(root, to, fit="crop")
    assert not to.exists()
    kept, _ = run(root, to, fit="crop", negatives="keep")
    assert kept.negatives == ("c05",)
    assert pixel_counts(to)[1:] == [100 * (N - 1)]
    assert load_directory(to, "both", SIDE, soft_masks=False) is not None
    dropped, _ = run(root, tmp_path / "less", fit="crop", negatives="drop")
    assert dropped.negatives == ()
    assert len(list(masks(tmp_path / "less"))) == N - 1
    for path in (root / "masks").iterdir():
        save(path, drawn(5))
    with pytest.raises(InputError, match="all masks are empty as they are written"):
        run(root, tmp_path / "none", fit="crop", negatives="keep")
