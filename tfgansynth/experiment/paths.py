"""How files, folders and stages below a fold's are called."""

from collections.abc import Mapping

PROVENANCE = "provenance.json"
"""Says in a U-Net's folder what it came from, and that it is done."""
HISTORY, MODEL = "history.csv", "model.safetensors"
"""Files of every U-Net, besides `PROVENANCE`, which is written last."""
ASSESSMENT, ARRAYS = "assessment.json", "assessment.npz"
"""Files of an assessment."""


def teacher_name(number: int) -> str:
    """Folder of a teacher."""
    return f"teachers/teacher-{number}"


def judge_name(number: int) -> str:
    """Folder of a judge."""
    return f"judges/judge-{number}"


def set_seconds(seconds: Mapping[str, float], fold: int, teachers: int) -> float:
    """How long it took to make a fold's synthetic set.

    Args:
        seconds: Of stages and their parts, as `timings.json` has them.
        fold: Number of the fold.
        teachers: How many gave the masks.

    Returns:
        Seconds of the GAN's training, the teachers' and the drawing of pairs.
    """
    names = ("gan", *map(teacher_name, range(1, teachers + 1)), "synthetic")
    return sum(seconds.get(f"fold-{fold}/{name}", 0.0) for name in names)
