"""How long the stages behind a synthetic set took."""

from collections.abc import Mapping

from tfgansynth.records.files import pseudo_label_name


def set_seconds(seconds: Mapping[str, float], fold: int, teachers: int) -> float:
    """How long it took to make a fold's synthetic set.

    Args:
        seconds: Of stages and their parts, as `timings.json` has them.
        fold: Number of the fold.
        teachers: How many gave the masks.

    Returns:
        Seconds of the GAN's training, the teachers' and the drawing of pairs.
    """
    names = ("gan", *map(pseudo_label_name, range(1, teachers + 1)), "synthetic")
    return sum(seconds.get(f"fold-{fold}/{name}", 0.0) for name in names)
