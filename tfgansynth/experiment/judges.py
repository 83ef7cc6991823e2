"""U-Nets that judge pairs, cross-fitted: none judges what it has learned from.

The fold's real training cases are split into parts; each judge is trained on all parts
but one. A real case is judged by the network that has not seen it. A synthetic pair is
judged by the one that has not seen the training case nearest to its image: were it a
copy of that case, a network that knows the case by heart would agree with it too well.

Validation cases do not choose the weights, unlike those of the tables' U-Nets: so they
stay real cases that no judge has learned anything from.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.assessment.neighbors import Pairs, distances
from tfgansynth.assessment.quality import agreement
from tfgansynth.config import Config, UNetConfig
from tfgansynth.data.dataset import Case, case_hashes, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.judge_parts import Indices, judge_parts
from tfgansynth.experiment.provenance import Provenance, unet_provenance
from tfgansynth.experiment.unet_training import ensure_unet
from tfgansynth.records.files import cross_fit_name
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.unet import bottleneck_features, load_unet, predict_masks


@dataclasses.dataclass(frozen=True, slots=True)
class Judges:
    """The trained judges of a fold.

    Attributes:
        training: The fold's n real training cases.
        parts: For each judge, which of them it has not seen, ascending.
        networks: The judges.
        hashes: SHA-256 of each judge's model, by its folder below the fold's.
    """

    training: Pairs
    parts: tuple[Indices, ...]
    networks: tuple[Any, ...]
    hashes: dict[str, str]

    def segment(self, images: FloatArray, cases: Indices) -> MaskArray:
        """Segment images, each by the judge that has not seen a certain case.

        Args:
            images: (n, S, S) in [0, 255].
            cases: (n,), indices of the training cases.

        Returns:
            Bool (n, S, S).
        """
        masks = np.zeros(images.shape, np.bool_)
        for part, network in zip(self.parts, self.networks, strict=True):
            chosen = np.isin(cases, part)
            if chosen.any():
                masks[chosen] = predict_masks(network, images[chosen])
        return masks

    def agreement(self, images: NDArray[Any], masks: MaskArray) -> NDArray[np.float64]:
        """Return how well the masks of synthetic pairs agree with the judges'.

        Args:
            images: (n, S, S) in [0, 255].
            masks: Bool (n, S, S).

        Returns:
            Dice coefficients, float64 (n,).
        """
        to_cases = distances(self.training, (images, masks))["image"]
        segmentations = self.segment(images, to_cases.argmin(axis=1))
        return agreement(masks, segmentations)

    def features(self, images: FloatArray) -> FloatArray:
        """Describe images by the first judge's bottleneck, float32 (n, maps)."""
        return bottleneck_features(self.networks[0], images)


def ensure_judges(experiment: Experiment, fold: FoldCases) -> Judges:
    """Train the fold's judges, as far as they are not there, and load them.

    Raises:
        InputError: There are fewer training cases than judges, or a finished judge
            was altered.
    """
    config = experiment.config
    n_cases, n_judges = len(fold.training), config.evaluation.cross_fit_splits
    if n_cases < n_judges:
        raise InputError(
            f"--evaluation.cross-fit-splits {n_judges}: fold {fold.number} has only "
            f"{n_cases} real training cases"
        )
    parts = judge_parts(config, fold.number, n_cases)
    paths = [
        _ensure_judge(experiment, fold, number, part)
        for number, part in enumerate(parts, start=1)
    ]
    root, size = experiment.run.fold(fold.number), config.data.size
    return Judges(
        training=images_and_masks(fold.training),
        parts=parts,
        networks=tuple(
            load_unet(judge_config(config), size=size, path=path) for path in paths
        ),
        hashes={
            path.parent.relative_to(root).as_posix(): storage.hash_file(path)
            for path in paths
        },
    )


def judge_config(config: Config) -> UNetConfig:
    """The numbers of a judge's training: a fixed length, and the weights at its end."""
    steps = config.evaluation.cross_fit_steps
    return dataclasses.replace(
        config.unet,
        fixed_steps=steps,
        steps_an_epoch=min(config.evaluation.budget_epoch, steps),
        real_share=0.0,
        keep="last",
    )


def _ensure_judge(
    experiment: Experiment, fold: FoldCases, number: int, part: Indices
) -> Path:
    """Train one judge on all cases but a part; return the path of its model."""
    folder = experiment.run.fold(fold.number) / cross_fit_name(number)
    unseen = set(part.tolist())
    seen = tuple(case for i, case in enumerate(fold.training) if i not in unseen)
    return ensure_unet(
        experiment,
        fold,
        seen,
        judge_config(experiment.config),
        seed=derive_seed(experiment.config.seed, "judge", fold.number, number),
        folder=folder,
        provenance=_provenance(experiment, fold, seen, number),
        label=f"fold {fold.number}, judge {number}:",
    )


def _provenance(
    experiment: Experiment, fold: FoldCases, seen: tuple[Case, ...], number: int
) -> Provenance:
    known = case_hashes(seen)
    unseen = [case for case in fold.training if case.case_id not in known]
    return {
        **unet_provenance(experiment, fold, seen, None),
        "unet": dataclasses.asdict(judge_config(experiment.config)),
        "judge": number,
        "judged_cases": case_hashes(unseen),
    }
