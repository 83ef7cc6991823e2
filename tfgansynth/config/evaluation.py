"""The settings of regimes and comparisons beside those of the paper."""

import dataclasses

from tfgansynth import ranges


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """Regimes beside those of the paper, and comparisons. Not in the paper."""

    equivalence_margin: ranges.Margin = 0.005
    """Differences of mean Dice smaller than this do not matter. It is the user's
    line; the differences in the paper are 0.007 to 0.044. [choice]"""
    budgets: ranges.Counts = dataclasses.field(
        default=(20000,), metadata=ranges.written_as("budget_steps", one_alone=True)
    )
    """Mini-batches of each U-Net in the fixed-budget regimes. Of several numbers,
    ascending, each has a table with all of these regimes. For the paper's slow
    optimizer the default is a guess; for `fast` it is twice its --unet.min-steps.
    Fewer in [choice, fast]"""
    budget_epoch: ranges.Count = 50
    """Mini-batches between two validations in the fixed-budget regimes. [choice]"""
    cross_fit_splits: ranges.AtLeastTwo = 2
    """Parts into which the real training cases are split. For each part a U-Net is
    trained on the other parts, so that every case can be segmented by a U-Net that
    has not seen it. [choice]"""
    cross_fit_steps: ranges.Count = 10000
    """Mini-batches of each out-of-fold U-Net. Fewer in [choice, fast]"""
    surface_tolerance: ranges.Pixels = dataclasses.field(
        default=2.0, metadata=ranges.OPTIONAL
    )
    """Largest distance of two contours that counts as none in the normalized surface
    Dice, in pixels. Best what two readers differ by, where that is known. [choice]"""
    failure_dice: ranges.Share = dataclasses.field(
        default=0.7, metadata=ranges.OPTIONAL
    )
    """A U-Net fails in a case if Dice is smaller than this. [choice]"""
