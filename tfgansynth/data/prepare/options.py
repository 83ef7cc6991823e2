"""What a person can state about a data set that its files leave open."""

import dataclasses
from typing import Literal

from tfgansynth.ranges import Millimeters, Name


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Choices for what is ambiguous; without them, it is refused."""

    target: Name | None = None
    """What the masks show, in a word or two: "lungs", "optic disc". Default: the name
    of the only class, else "target"."""
    classes: tuple[str, ...] = ()
    """Classes of the masks, NAME=VALUE. VALUE is a grey value, the index of a palette,
    a color #RRGGBB, or, with one mask a class, the name of its folder or suffix.
    NAME=1,2 takes two values for one class; background=VALUE names the background."""
    foreground: Literal["any"] | None = None
    """any: one class, which has every value but the background's (instances)."""
    ignore: tuple[str, ...] = ()
    """Values of the masks that become background and are counted ("void")."""
    negatives: Literal["refuse", "keep", "drop"] = "refuse"
    """What to do with images whose mask is empty."""
    polarity: Literal["refuse", "keep", "border"] = "refuse"
    """What to do if some masks look inverted: keep them all as they are, or take
    what fills the border of each image as its background."""
    unpaired: Literal["refuse", "drop"] = "refuse"
    """What to do with images without a mask, and masks without an image."""
    fit: Literal["pad", "crop", "stretch"] = "pad"
    """How images become square: by a black margin, by their middle, or stretched."""
    window: tuple[str, ...] = ()
    """LOW HIGH: the values that become black and white, in all images. percentile:
    the percentiles 0.5 and 99.5 of the whole data set."""
    colors: Literal["keep", "grey"] = "keep"
    """What to do with colors: if one image has any, all are written as RGB, or all as
    grey (luminance), as for a tint without meaning."""
    spacing: Millimeters | None = None
    """ROW COLUMN: distances of rows and of columns in mm, of all images, as stored,
    where the files do not say them."""
    axis: Literal["axial", "coronal", "sagittal"] | None = None
    """Direction in which volumes are cut into slices."""
    slices: Literal["target", "all"] = "target"
    """Slices of volumes to take: those that show the target, or all."""
    nested: Literal["patient", "group", "none"] | None = None
    """What the folders above the images stand for. Default: patients, if there are
    many with a few images each; else groups."""
    patient_pattern: str | None = None
    """Regular expression that finds the patient in the case's name: its first group,
    or all of its match."""
