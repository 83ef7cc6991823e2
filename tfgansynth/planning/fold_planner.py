"""Plans the stages of one fold, each once, after what it needs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tfgansynth.config import NETWORK_VERSIONS, Config, UNetConfig
from tfgansynth.data.dataset import CaseHashes
from tfgansynth.data.held_out import FoldHashes
from tfgansynth.errors import InputError
from tfgansynth.planning.graph import Kind, PlannedStage, Splits
from tfgansynth.records import files
from tfgansynth.records.converter import to_json
from tfgansynth.records.regimes import (
    Regime,
    SetKind,
    assessment_name,
    augmentation_config,
    cross_fit_config,
    cross_fit_parts,
    pseudo_label_config,
    real_indices,
    set_name,
    synthesis_config,
)
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.rules import planned_components

_FEWEST_CASES = 3
"""Training cases that an audit for copies needs: fewer have no distances to compare."""

_NAMES = ("preset", "reduced", "lungs")
"""Parts of a record that only name what the others say."""


class FoldPlanner:
    """Plans the stages of one fold, each once, after what it needs."""

    def __init__(
        self,
        config: Config,
        splits: Splits,
        fold: FoldHashes,
        networks: Mapping[str, int] = NETWORK_VERSIONS,
    ) -> None:
        """Start without stages, of networks of some versions."""
        self.stages: dict[str, PlannedStage] = {}
        self._config = config
        self._splits = splits
        self._fold = fold
        self._networks = networks
        self._training, self._validation = fold.training, fold.validation

    def gan(self) -> str:
        """Plan the GAN; its validation cases only watch and are no part of it.

        Raises:
            InputError: There are more training cases than latent codes can mix, or it
                is to learn from images without masks, and there are none.
        """
        config, is_on = self._config, self._config.gan.unlabelled
        if is_on and not self._fold.unlabelled:
            raise InputError(
                "--gan.unlabelled: takes images in unlabelled/ of the data set, and "
                "training cases that --reduced leaves out, and fold "
                f"{self._fold.number} has none: leave it out"
            )
        n_cases = len(self._learned()["training_cases"])
        if config.gan.latent_codes and n_cases > config.gan.z_dim:
            raise InputError(
                f"--gan.z-dim {config.gan.z_dim}: expected {n_cases} or more with "
                "--gan.latent-codes, a number for each training case"
            )
        return self._add(
            Kind.GAN,
            files.GAN,
            {
                "network_version": self._networks["gan"],
                "gan": to_json(config.gan),
                **self._augmentation(config.gan.augment_real, len(self._training)),
                **self._learned(),
            },
            needs=self.pseudo_labels() if is_on else [],
            seed=self._seed("gan"),
            label="GAN",
        )

    def _learned(self) -> dict[str, CaseHashes]:
        """What a generator learns from, and which of it has no masks of its own."""
        if not self._config.gan.unlabelled:
            return {"training_cases": self._training}
        others = self._fold.unlabelled
        return {
            "training_cases": {**self._training, **others},
            "unlabelled_cases": others,
        }

    def pseudo_labels(self) -> list[str]:
        """Plan the pseudo-label ensemble.

        Validation cases do not choose its weights: a set may learn from training cases
        only.
        """
        return [
            self._add(
                Kind.PSEUDO_LABELS,
                files.pseudo_label_name(member),
                {
                    **self._unet(
                        pseudo_label_config(self._config), len(self._training)
                    ),
                    "member": member,
                    "training_cases": self._training,
                    "validation_cases": self._validation,
                    "synthetic_set": None,
                },
                # The label of a seed is part of the numbers and keeps its old word.
                seed=self._seed("teacher", member),
                label=f"pseudo-label ensemble, member {member}",
            )
            for member in range(1, self._config.synthesis.pseudo_label_members + 1)
        ]

    def cross_fit(self) -> list[str]:
        """Plan the cross-fitted ensemble.

        Raises:
            InputError: There are fewer training cases than splits.
        """
        config, n_cases = self._config, len(self._training)
        items = list(self._training.items())
        names = []
        parts = cross_fit_parts(config, self._fold.number, n_cases)
        for member, part in enumerate(parts, start=1):
            unseen = dict(items[index] for index in part)
            record = {
                **self._unet(cross_fit_config(config), n_cases - len(part)),
                "member": member,
                "training_cases": {k: v for k, v in items if k not in unseen},
                "out_of_fold_cases": unseen,
                "validation_cases": self._validation,
                "synthetic_set": None,
            }
            name = self._add(
                Kind.CROSS_FIT,
                files.cross_fit_name(member),
                record,
                # The label of a seed is part of the numbers and keeps its old word.
                seed=self._seed("judge", member),
                label=f"cross-fitted ensemble, member {member}",
            )
            names.append(name)
        return names

    def set(self, kind: SetKind) -> str:
        """Plan a set; all of them are drawn from the same noise."""
        config = self._config
        needs = [] if kind == "control" else [self.gan()]
        if kind == "filtered":
            needs += self.cross_fit()
        needs += self.pseudo_labels()
        seed = self._seed("synthesis")
        components = planned_components(config, self._splits.data)
        return self._add(
            Kind.SET,
            set_name(kind),
            {
                "kind": kind,
                "z_dim": config.gan.z_dim,
                "z_seed": seed,
                **({"mask_components": components} if components else {}),
                "synthesis": to_json(synthesis_config(config, kind)),
                **self._augmentation(config.synthesis.augment, len(self._training)),
                **self._learned(),
            },
            needs=needs,
            seed=seed,
            label=_set_words(kind),
            set_kind=kind,
        )

    def segmentation(self, regime: Regime) -> str:
        """Plan a U-Net of a regime.

        Raises:
            InputError: There are not so many pairs.
        """
        config = self._config
        more = {"ceiling": self._fold.unused, "validation": self._validation}
        cases = {**self._training, **more.get(regime.baseline or "", {})}
        n_cases, needs = len(cases), []
        if not 0 <= regime.n_real <= n_cases:
            raise InputError(
                f"--real {regime.n_real}: fold {self._fold.number} has {n_cases} real "
                "training cases"
            )
        if not 0 <= regime.n_synthetic <= config.synthesis.count:
            raise InputError(
                f"--synthetic {regime.n_synthetic}: the set has "
                f"{config.synthesis.count} pairs (--synthesis.count)"
            )
        if not regime.n_real + regime.n_synthetic:
            raise InputError("--real 0 --synthetic 0: there is nothing to train on")
        if regime.n_synthetic:
            needs.append(self.set(regime.kind))
        if regime.uses_ensemble:
            needs += self.pseudo_labels()
        items = list(cases.items())
        chosen = real_indices(config, self._fold.number, n_cases, regime.n_real)
        unet = regime.unet_config(config)
        unlabelled = self._fold.unlabelled
        is_unlabelled = regime.baseline == "unlabelled"
        return self._add(
            Kind.SEGMENTATION,
            regime.folder_name,
            {
                **self._unet(unet, regime.n_real or regime.n_synthetic),
                "regime": to_json(regime),
                "evaluated_on": "test",
                "training_cases": dict(items[index] for index in chosen),
                "validation_cases": self._validation,
                **({"unlabelled_cases": unlabelled} if is_unlabelled else {}),
            },
            needs=needs,
            seed=self._seed("unet"),
            label=f"U-Net {regime.label}",
            regime=regime,
        )

    def assessment(self, kind: SetKind) -> str:
        """Plan the assessment of a set.

        Raises:
            InputError: There are too few training cases.
        """
        if len(self._training) < _FEWEST_CASES:
            raise InputError(
                f"fold {self._fold.number} has {len(self._training)} training cases: "
                f"an assessment needs {_FEWEST_CASES} or more: add cases, or raise "
                "--data.n-reduced"
            )
        return self._add(
            Kind.ASSESSMENT,
            assessment_name(kind),
            {
                "kind": kind,
                **self._learned(),
                "validation_cases": self._validation,
                "unused_cases": self._fold.unused,
            },
            needs=[self.set(kind), *self.cross_fit()],
            seed=self._seed("assessment"),
            label=f"assessment of the {_set_words(kind)}",
            set_kind=kind,
        )

    def _add(
        self,
        kind: Kind,
        folder: str,
        settings: Mapping[str, Any],
        *,
        needs: Sequence[str] = (),
        seed: int,
        label: str,
        **more: Any,
    ) -> str:
        number = self._fold.number
        name = f"{files.fold_name(number)}/{folder}"
        config = self._config
        names = [n for n in _NAMES if n != "lungs" or self._splits.data.is_lungs]
        record: dict[str, Any] = {
            "stage": str(kind),
            "dataset": self._splits.data.record(),
            **{key: getattr(config, key) for key in names},
            "fold": number,
            "seed": config.seed,
            "duplicates": to_json(self._splits.duplicates),
            "data": to_json(config.data),
            **settings,
            "inputs": {need: self.stages[need].identity for need in needs},
        }
        record["identity"] = _identity(record)
        self.stages[name] = PlannedStage(
            kind=kind,
            fold=number,
            name=name,
            needs=tuple(needs),
            record=record,
            seed=seed,
            label=f"fold {number}, {label}",
            **more,
        )
        return name

    def _seed(self, purpose: str, *more: int) -> int:
        return derive_seed(self._config.seed, purpose, self._fold.number, *more)

    def _unet(self, unet: UNetConfig, n_masks: int) -> dict[str, Any]:
        return {
            "network_version": self._networks["unet"],
            "unet": to_json(unet),
            **self._augmentation(unet.augment, n_masks),
        }

    def _augmentation(self, switch: str, n_masks: int) -> dict[str, Any]:
        if switch == "learned" and n_masks < 2:
            raise InputError(
                "augmentation `learned`: learns deformations from two masks or more, "
                f"and fold {self._fold.number} has {n_masks} for it: choose another "
                "--unet.augment, --synthesis.augment or --baselines"
            )
        numbers = augmentation_config(self._config, switch)
        return {"augmentation": to_json(numbers)}


def _set_words(kind: SetKind) -> str:
    return f"{'synthetic' if kind == 'plain' else kind} set"


def _identity(record: Mapping[str, Any]) -> str:
    bearing = {name: value for name, value in record.items() if name not in _NAMES}
    return hashlib.sha256(json.dumps(bearing, sort_keys=True).encode()).hexdigest()
