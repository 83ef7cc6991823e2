"""A generator that learns from images without masks may copy these as well."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config import Config, DataConfig
from tfgansynth.data.dataset import UnlabelledImage, case_hashes, images_and_labels
from tfgansynth.data.loading import load_phantoms
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import (
    Experiment,
    ExperimentData,
    load_experiment_data,
)
from tfgansynth.experiment.stages import (
    assessment,
    fold_networks,
    fold_sets,
    synthetic_sets,
)
from tfgansynth.experiment.stages.assessment import FinishedAssessment, assess
from tfgansynth.planning.graph import Kind
from tfgansynth.planning.requests import Request
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import cross_fit_parts
from tfgansynth.runtime.timing import Timer
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, pair_name, write_set

N_TRAINING, N_UNUSED, N_VALIDATION, N_FILMS, N_PAIRS = 4, 2, 2, 3, 8
SMOKE = dataclasses.replace(PRESETS["smoke"], reduced=True)
SMOKE = dataclasses.replace(
    SMOKE,
    data=DataConfig(size=64, phantoms=12, n_validation=N_VALIDATION, n_reduced=4),
    synthesis=dataclasses.replace(SMOKE.synthesis, pseudo_label_members=1),
)
CONFIG = dataclasses.replace(SMOKE, gan=dataclasses.replace(SMOKE.gan, unlabelled=True))


@pytest.fixture(scope="module")
def data() -> ExperimentData:
    """Twelve phantoms, and three others without masks."""
    loaded = load_experiment_data(CONFIG, None)
    films = tuple(
        UnlabelledImage(f"film-{number}", case.image)
        for number, case in enumerate(phantoms(1).cases[:N_FILMS])
    )
    return dataclasses.replace(
        loaded,
        dataset=dataclasses.replace(loaded.dataset, unlabelled=films),
        unlabelled=case_hashes(films),
    )


def phantoms(seed: int) -> Any:
    return load_phantoms(12, seed, "both", 64, soft_masks=False)


def bright(images: NDArray[Any]) -> Labels:
    return np.asarray(images > np.median(images), np.uint8)


@dataclasses.dataclass(frozen=True)
class PseudoLabels:
    """Segments by brightness."""

    hashes: dict[str, str] = dataclasses.field(default_factory=dict)

    def segment(self, images: NDArray[Any]) -> Labels:
        return bright(images)


@dataclasses.dataclass(frozen=True)
class CrossFitted:
    """Members that have seen labelled cases only."""

    parts: tuple[NDArray[np.int64], ...]
    hashes: dict[str, str]

    def segment(self, images: FloatArray, cases: NDArray[np.int64]) -> Labels:
        assert cases.max() < N_TRAINING
        return bright(images)

    def on_unseen(
        self, n_held_out: int
    ) -> Iterator[tuple[NDArray[np.int64], Callable[[FloatArray], FloatArray]]]:
        for part in self.parts:
            held_out = np.arange(N_TRAINING, N_TRAINING + n_held_out)
            yield np.append(part, held_out), lambda images: images[:, ::16, 32]


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = cross_fit_parts(CONFIG, 1, N_TRAINING)
    members = {f"member-{number}": "00" for number in range(len(parts))}
    for room, name, made in (
        (fold_networks, "load_pseudo_label_ensemble", PseudoLabels()),
        (synthetic_sets, "load_pseudo_label_ensemble", PseudoLabels()),
        (assessment, "load_cross_fitted_ensemble", CrossFitted(parts, members)),
    ):
        monkeypatch.setattr(room, name, functools.partial(_made, made))


def _made(made: object, *_: Any) -> object:
    return made


def opened(data: ExperimentData, out: Path, config: Config = CONFIG) -> Experiment:
    return data.experiment(config, out).open()


def assessed(experiment: Experiment, copied: FloatArray) -> FinishedAssessment:
    """Assess a set of other phantoms, of which the fourth is a copy."""
    rng = np.random.default_rng(0)
    cases = phantoms(2).cases[:N_PAIRS]
    images, masks = images_and_labels(cases)
    images[3] = np.clip(0.9 * copied + 12 + rng.normal(0, 2, copied.shape), 0, 255)
    *_, gan, planned = experiment.plan([1], lambda _: Request(sets=["plain"])).stages
    if gan.kind is not Kind.GAN:
        (gan,) = experiment.plan([1], lambda _: Request(gan=True)).stages
    made = SyntheticSet(
        images=np.rint(images).astype(np.uint8),
        masks=masks,
        draws=tuple(Draw(0, index, f"{index:016x}") for index in range(N_PAIRS)),
        n_drawn=N_PAIRS,
        n_similar=0,
        n_empty=0,
    )
    more = {"step": 1, "generator_sha256": "00"}
    folder = experiment.run.synthetic(1)
    write_set(made, {**gan.record, **more, **planned.record}, folder)
    return assess(experiment, experiment.fold(1), folder, Timer())


@pytest.mark.slow
def test_a_copy_of_an_image_without_a_mask_is_found(
    data: ExperimentData, tmp_path: Path
) -> None:
    experiment = opened(data, tmp_path)
    fold = experiment.fold(1)
    film = data.dataset.unlabelled[1]

    found = assessed(experiment, film.image)

    record = found.record
    assert not found.passed
    assert (pair_name(3), "film-1") in {(e.name, e.case_id) for e in found.flagged}
    n_learned = N_TRAINING + N_UNUSED + N_FILMS
    assert (record.n_training, record.n_unlabelled) == (n_learned, n_learned - 4)
    # The generator has learned from the left-out cases: they are held out no more.
    assert record.n_held_out == N_VALIDATION
    assert record.held_out == "2 validation cases"
    assert record.membership
    assert record.membership.n_members == n_learned
    assert record.membership.n_others == N_VALIDATION
    assert len(found.arrays["nearest_pairs_image"]) == n_learned + N_VALIDATION
    nearest = found.arrays["nearest_pairs_image"].argmin()
    learned = (*fold.training, *fold.unlabelled)
    assert learned[nearest].case_id == "film-1"
    for name in ("1", "2"):
        ids = {*found.arrays[f"features_real_case_ids_{name}"].tolist()}
        assert ids.isdisjoint(case.case_id for case in fold.unlabelled)

    # The same copy is none of a generator that has not seen the image.
    plain = assessed(opened(data, tmp_path / "off", SMOKE), film.image)
    assert plain.record.n_training == N_TRAINING
    assert plain.record.n_held_out == N_VALIDATION + N_UNUSED
    assert all("film" not in each.case_id for each in plain.flagged)


def test_the_control_has_the_images_with_their_pseudo_labels(
    data: ExperimentData, tmp_path: Path
) -> None:
    experiment = opened(data, tmp_path)
    fold = experiment.fold(1)
    source = synthetic_sets._case_source(experiment, fold)

    z = np.linspace(-1, 1, 200, dtype=np.float32)[:, None]
    images, masks = source.sampler(z)

    drawn = {image.tobytes(): mask for image, mask in zip(images, masks, strict=True)}
    cases = *fold.training, *fold.unlabelled
    expected = {np.rint(c.image).astype(np.uint8).tobytes(): c.case_id for c in cases}
    assert drawn.keys() == expected.keys()
    pseudo = bright(np.stack([each.image for each in fold.unlabelled]))
    for each, mask in zip(fold.unlabelled, pseudo, strict=True):
        pixels = np.rint(each.image).astype(np.uint8).tobytes()
        np.testing.assert_array_equal(drawn[pixels][..., 0] > 0, mask > 0)
    learned = {case.case_id for case in cases}
    assert {*source.provenance["training_cases"]} == learned


def test_the_plan_names_what_a_generator_learns_from(
    data: ExperimentData, tmp_path: Path
) -> None:
    experiment = opened(data, tmp_path)
    fold = experiment.splits.folds[0]
    stages = experiment.plan([1], lambda _: Request(sets=["plain", "control"])).stages
    found = {stage.name.removeprefix("fold-1/"): stage for stage in stages}
    member = "fold-1/pseudo-labels/member-1"
    assert found["gan"].needs == (member,)
    assert found["synthetic-control"].needs == (member,)
    for name in ("gan", "synthetic", "synthetic-control"):
        record = found[name].record
        assert record["training_cases"] == {**fold.training, **fold.unlabelled}
        assert record["unlabelled_cases"] == fold.unlabelled
        assert experiment.ids[0].test
        assert {*record["training_cases"]}.isdisjoint(experiment.ids[0].test)
    assert "unlabelled_cases" not in found["pseudo-labels/member-1"].record
    codes = dataclasses.replace(CONFIG.gan, latent_codes=True, z_dim=8)
    with pytest.raises(InputError, match=r"--gan\.z-dim 8: expected 9 or more"):
        data.experiment(dataclasses.replace(CONFIG, gan=codes), tmp_path).plan(
            [1], lambda _: Request(gan=True)
        )
    full = dataclasses.replace(CONFIG, reduced=False)
    alone = load_experiment_data(full, None).experiment(full, tmp_path)
    with pytest.raises(InputError, match=r"^--gan.unlabelled: .* fold 1 has none: "):
        alone.plan([1], lambda _: Request(gan=True))


def test_a_set_of_another_generator_is_refused(
    data: ExperimentData, tmp_path: Path
) -> None:
    experiment = opened(data, tmp_path)
    fold, folder = experiment.fold(1), experiment.run.synthetic(1)
    (gan,) = (
        opened(data, tmp_path / "off", SMOKE)
        .plan([1], lambda _: Request(gan=True))
        .stages
    )
    fold_sets.require_fold_set(
        experiment, fold, fold_networks.generator_record(experiment, fold), folder
    )
    with pytest.raises(InputError, match="is not of this fold and run"):
        fold_sets.require_fold_set(experiment, fold, gan.record, folder)
