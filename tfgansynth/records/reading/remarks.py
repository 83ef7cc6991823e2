"""What may affect the results of one run: problems of its data and its trainings."""

import statistics
from collections.abc import Iterable, Iterator, Sequence

from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import Identity
from tfgansynth.data.splits import Fold, few_training_cases
from tfgansynth.errors import name_few
from tfgansynth.gan import health
from tfgansynth.records.files import (
    HISTORY,
    PSEUDO_LABELS,
    fold_name,
    gan_stage,
    pseudo_label_names,
)
from tfgansynth.records.reading.trainings import read_epochs, read_gan_history
from tfgansynth.records.regimes import pseudo_label_config
from tfgansynth.records.runs import DATA, FinishedUNet, Remark, RunRecord
from tfgansynth.segmentation import history

_WEAK_DICE = 0.7
"""Dice of a pseudo-label ensemble below which its masks have a remark. [choice]"""


def remarks_behind(run: RunRecord, unets: Iterable[FinishedUNet]) -> tuple[Remark, ...]:
    """Return those of a run's remarks that are behind some of its U-Nets."""
    stages = {DATA}
    for unet in unets:
        stages |= {unet.stage, gan_stage(unet.fold), _ensemble_stage(unet.fold)}
    return tuple(remark for remark in run.remarks if remark.stage in stages)


def _ensemble_stage(fold: int) -> str:
    """What remarks call a fold's pseudo-label ensemble, of several stages."""
    return f"{fold_name(fold)}/{PSEUDO_LABELS}"


def remarks_of(run: RunRecord, unet: FinishedUNet) -> Iterator[Remark]:
    """Problems with the data or in the trainings behind a U-Net."""
    yield from split_remarks(run.folds, reduced=run.config.reduced)
    yield from data_remarks(unet.dataset, unet.duplicates)
    yield from gan_remarks(run, unet.fold)
    yield from pseudo_label_remarks(run, unet.fold)
    regime = unet.regime
    n_pairs = regime.n_real + regime.n_synthetic
    found = history.remarks(unet.epochs, regime.unet_config(run.config), n_pairs)
    yield from learning_remarks(unet)
    for kind, text in found.items():
        yield Remark(
            seed=run.config.seed,
            fold=unet.fold,
            stage=unet.stage,
            kind=kind,
            text=f"{regime.label}: {text}",
        )


def data_remarks(
    dataset: Identity, duplicates: Iterable[Crossing]
) -> tuple[Remark, ...]:
    """Say what resizing has changed, and which duplicates across the split exist."""
    resizing = dataset.resizing.sentences if dataset.resizing else ()
    found = [("resizing", text) for text in resizing]
    if pairs := list(dict.fromkeys(str(crossing.pair) for crossing in duplicates)):
        text = (
            f"{len(pairs)} duplicates across the split were allowed "
            f"(--allow-duplicates): {name_few(pairs)}"
        )
        found.append(("duplicates", text))
    return tuple(
        Remark(seed=None, fold=None, stage=DATA, kind=kind, text=text)
        for kind, text in found
    )


def learning_remarks(unet: FinishedUNet) -> tuple[Remark, ...]:
    """Say of a U-Net that it has not learned."""
    if unet.has_learned:
        return ()
    return (
        Remark(
            seed=unet.seed,
            fold=unet.fold,
            stage=unet.stage,
            kind="not_learned",
            text=f"{unet.regime.label}: has not learned: {unet.validation}",
        ),
    )


def split_remarks(folds: Sequence[Fold], *, reduced: bool) -> tuple[Remark, ...]:
    """Say if folds have few training cases."""
    text = few_training_cases(folds, reduced=reduced)
    if text is None:
        return ()
    return (Remark(seed=None, fold=None, stage=DATA, kind="few_cases", text=text),)


def gan_remarks(run: RunRecord, fold: int) -> tuple[Remark, ...]:
    """Name the problems in the training of a fold's GAN."""
    found = read_gan_history(run.root / gan_stage(fold))
    if found is None:
        return ()
    n_cases = len(run.training_ids(fold)) + len(run.unlabelled_ids(fold))
    return tuple(
        Remark(
            seed=run.config.seed,
            fold=fold,
            stage=gan_stage(fold),
            kind=kind,
            text=f"GAN of {n_cases} cases: {text}",
        )
        for kind, text in health.faults(found, run.config.gan).items()
    )


def pseudo_label_remarks(run: RunRecord, fold: int) -> tuple[Remark, ...]:
    """Say if the networks that give a fold's pairs their masks are bad at it."""
    unet = pseudo_label_config(run.config)
    names = pseudo_label_names(run.config.synthesis.pseudo_label_members)
    paths = [run.root / fold_name(fold) / name / HISTORY for name in names]
    found = [history.kept_dice(read_epochs(p), unet) for p in paths if p.exists()]
    dice = [each for each in found if each is not None]
    mean = statistics.mean(dice) if dice else 1.0
    if mean >= _WEAK_DICE:
        return ()
    text = (
        f"pseudo-label ensemble: mean Dice {mean:.4f} of its members "
        "on validation cases: pairs with its masks can do harm"
    )
    return (
        Remark(
            seed=run.config.seed,
            fold=fold,
            stage=_ensemble_stage(fold),
            kind="weak_labels",
            text=text,
        ),
    )
