"""Names of the files and folders of results."""

from collections.abc import Mapping

from tfgansynth.config import Config

CONFIG, CASE_LIST, SPLITS = "config.json", "cases.json", "splits.json"
"""What a run belongs to: settings, data and split."""
SOURCE = "source.json"
"""Where its data lie."""
MACHINES, TIMINGS = "machine.json", "timings.json"
"""On what its stages were computed, and how long they took."""
PROVENANCE = "provenance.json"
"""Says in a stage's folder what it came from, and that it is done."""
HISTORY, MODEL = "history.csv", "model.safetensors"
"""Files of every U-Net, besides `PROVENANCE`, which is written last."""
VALIDATION = "validation.json"
"""Whether a regime's U-Net has learned; without it, an earlier version trained it."""
ASSESSMENT, ARRAYS = "assessment.json", "assessment.npz"
"""Files of an assessment."""
TABLE, TABLE_TEXT, TABLE_SHEET = "table.json", "table.md", "table.csv"
"""The paper's regimes of one run."""
COMPARISON, COMPARISON_TEXT = "comparison.json", "comparison.md"
"""All regimes and verdicts, in the folder of the run, or of the study of several."""
OTHER_FIGURES = "other-figures.md"
"""What the comparison beside it says of the regimes beyond the paper's metrics."""
CURVE = "curve"
"""A learning curve's files begin with this."""
PLAN = "plan.json"
"""What was declared before the first run, beside the comparison that keeps to it."""
TRIAL = "trial.json"
"""What a recipe came to on development cases, in the folder of a fold."""
TRIED = "tried.json"
"""Cases of a run on which settings were tried."""
MERGED_FOLD = "fold.json"
"""The results of one fold in a folder of merged results."""
REPORT = "report.html"
"""The page that shows a run or a study."""


def curve_folder_name(dataset_name: str, config: Config) -> str:
    """`curve-<data>-<preset>`, and the lung if only one, as runs have it."""
    lungs = [] if config.lungs == "both" else [config.lungs]
    return "-".join([CURVE, dataset_name, config.preset, *lungs])


def curve_count_name(n_generator: int) -> str:
    """Folder of a curve's runs whose generators have learned from so many cases."""
    return f"n{n_generator:03d}"


GAN = "gan"
"""Folder of a fold's GAN."""
PSEUDO_LABELS = "pseudo-labels"
"""Folder of the members of a fold's pseudo-label ensemble."""
DEVELOPMENT = "development"
"""Part of the name of the data set that development cases are; and the folder of a fold
in which earlier versions tried settings on cases that other folds test."""


def fold_name(number: int) -> str:
    """Folder of a fold."""
    return f"fold-{number}"


def gan_stage(fold: int) -> str:
    """The stage, and the folder below the run's, of a fold's GAN."""
    return f"fold-{fold}/gan"


def pseudo_label_name(number: int) -> str:
    """Folder of a member of the pseudo-label ensemble, below its fold's."""
    return f"{PSEUDO_LABELS}/member-{number}"


def pseudo_label_names(members: int) -> list[str]:
    """Folders of all members of an ensemble of this size, below its fold's."""
    return [pseudo_label_name(number) for number in range(1, members + 1)]


def cross_fit_name(number: int) -> str:
    """Folder of a member of the out-of-fold ensemble, below its fold's."""
    return f"cross-fit/member-{number}"


def set_seconds(seconds: Mapping[str, float], fold: int, members: int) -> float:
    """How long it took to make a fold's synthetic set.

    Args:
        seconds: Of stages and their parts, as `timings.json` has them.
        fold: Number of the fold.
        members: Size of the pseudo-label ensemble.

    Returns:
        Seconds of the training of the GAN and the ensemble and of drawing the pairs.
    """
    names = (GAN, *pseudo_label_names(members), "synthetic")
    return sum(seconds.get(f"{fold_name(fold)}/{name}", 0.0) for name in names)
