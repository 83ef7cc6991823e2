import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.assessment.memorization import Audit, PartAudit, audit, nearest
from tfgansynth.data.copies.distances import PARTS, Pairs, Part, distances
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms

N_TRAINING, N_HELD_OUT, N_SYNTHETIC = 12, 18, 10


def take(pairs: Pairs, indices: NDArray[np.int64]) -> Pairs:
    return pairs[0][indices], pairs[1][indices]


@pytest.fixture(scope="module")
def phantoms() -> Pairs:
    cases = load_phantoms(60, 5, "both", 64, soft_masks=False).cases
    return images_and_labels(cases)


@pytest.fixture(scope="module")
def training(phantoms: Pairs) -> Pairs:
    return take(phantoms, np.arange(N_TRAINING))


@pytest.fixture(scope="module")
def held_out(phantoms: Pairs) -> Pairs:
    return take(phantoms, np.arange(N_TRAINING, N_TRAINING + N_HELD_OUT))


@pytest.fixture(scope="module")
def independent(phantoms: Pairs) -> Pairs:
    return take(phantoms, np.arange(50, 50 + N_SYNTHETIC))


def part_of(found: NDArray[np.float64], null: NDArray[np.float64]) -> PartAudit:
    cases = np.zeros(len(found), np.int64)
    return PartAudit(cases=cases, distances=found, null=np.sort(null))


def planted(independent: Pairs, training: Pairs, kind: str) -> Pairs:
    """Samples 3, 5 and 9 become copies of training cases 4, 11 and 7."""
    rng = np.random.default_rng(1)
    images, masks = independent[0].copy(), independent[1].copy()
    originals, shapes = take(training, np.array([4, 11, 7]))
    shift = {"shift by 1": (1, -1), "shift by 3": (-3, 2), "all": (2, 1)}.get(kind)
    if kind in ("noise", "all"):
        originals = originals + rng.normal(0, 10, originals.shape).astype(np.float32)
    if kind in ("brightness", "all"):
        originals = originals * 0.8 + 20
    if shift:
        originals = np.roll(originals, shift, (1, 2))
        shapes = np.roll(shapes, shift, (1, 2))
    images[[3, 5, 9]] = np.clip(originals, 0, 255)
    masks[[3, 5, 9]] = shapes
    return images, masks


def test_independent_phantoms_pass(
    training: Pairs, independent: Pairs, held_out: Pairs
) -> None:
    result = audit(training, independent, held_out)

    assert result.passed
    assert list(result.parts) == list(PARTS)
    for part in result.parts.values():
        assert part.copies.size == 0
        assert part.null.shape == (N_TRAINING + N_HELD_OUT,)
        assert (np.diff(part.null) >= 0).all()
        assert part.copy_bound < part.threshold


@pytest.mark.parametrize(
    "kind",
    [
        "all",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("exact", "noise", "brightness", "shift by 1", "shift by 3")
        ),
    ],
)
def test_planted_copies_are_found(
    training: Pairs, independent: Pairs, held_out: Pairs, kind: str
) -> None:
    result = audit(training, planted(independent, training, kind), held_out)

    assert not result.passed
    assert {3, 5, 9} <= set(result.flagged.tolist())
    for part in result.parts.values():
        assert part.copies.tolist() == [3, 5, 9]
        closest = part.closest(3)
        cases = part.cases[closest].tolist()
        assert {*zip(closest.tolist(), cases, strict=True)} == {
            (3, 4),
            (5, 11),
            (9, 7),
        }
        assert (np.diff(part.distances[closest]) >= 0).all()


@pytest.mark.slow
def test_what_is_left_after_dropping_flagged_samples_passes(
    training: Pairs, independent: Pairs, held_out: Pairs
) -> None:
    copies = planted(independent, training, "all")
    kept = np.setdiff1d(
        np.arange(N_SYNTHETIC), audit(training, copies, held_out).flagged
    )

    assert len(kept) >= N_SYNTHETIC - 3 - 2
    assert audit(training, take(copies, kept), held_out).passed


def test_a_copied_mask_under_another_image_is_found_as_a_mask_only(
    training: Pairs, independent: Pairs, held_out: Pairs
) -> None:
    masks = independent[1].copy()
    masks[7] = training[1][2]
    result = audit(training, (independent[0], masks), held_out)

    assert not result.passed
    assert result.parts["mask"].copies.tolist() == [7]
    assert result.parts["image"].passed
    assert 7 in result.flagged


def test_duplicates_among_real_cases_do_not_hide_a_copy(
    training: Pairs, independent: Pairs, held_out: Pairs
) -> None:
    # The same patient twice: among the training cases, and in both sets of real ones.
    images, masks = training[0].copy(), training[1].copy()
    images[1], masks[1] = images[0], masks[0]
    unseen = held_out[0].copy(), held_out[1].copy()
    unseen[0][0], unseen[1][0] = images[2], masks[2]
    copies = planted(independent, training, "noise")
    result = audit((images, masks), copies, unseen)

    for part in result.parts.values():
        assert part.null[0] < 0.05
        assert part.copies.tolist() == [3, 5, 9]


def test_false_alarms_are_rare_over_splits(phantoms: Pairs) -> None:
    """There is nothing to find: all sets come from the same phantoms."""
    matrices = distances(phantoms, phantoms)
    rng = np.random.default_rng(0)
    n_splits = 200
    failed = 0
    for _ in range(n_splits):
        order = rng.permutation(len(phantoms[0]))
        train, unseen, ours = np.split(order, [20, 45])
        parts: dict[Part, PartAudit] = {}
        for part, matrix in matrices.items():
            within = matrix[np.ix_(train, train)].copy()
            np.fill_diagonal(within, np.inf)
            of_real = [nearest(matrix[np.ix_(unseen, train)]), nearest(within)]
            null = np.sort(np.concatenate([relative for _, relative in of_real]))
            of_ours = nearest(matrix[np.ix_(ours, train)])
            parts[part] = PartAudit(*of_ours, null)
        failed += not Audit(parts).passed
    assert failed <= 0.05 * n_splits


def test_the_threshold_is_the_nulls_first_percentile() -> None:
    null = np.linspace(1, 2, 299)
    part = part_of(np.array([0.5, 1.0, 1.005, 1.2]), null)

    assert part.rank == 3
    assert part.threshold == null[2]
    assert part.expected_share == pytest.approx(0.01)
    # Strictly below the third smallest: 0.5, 1.0 and 1.005, at 1.0067.
    assert (part.n_closer, part.share) == (3, 0.75)
    low, high = part.expected_share_interval
    assert 0.001 < low < 0.003
    assert 0.02 < high < 0.03


def test_a_small_null_has_its_smallest_as_the_threshold() -> None:
    part = part_of(np.ones(4), np.linspace(0.4, 1, 82))

    assert part.threshold == 0.4
    assert part.expected_share == pytest.approx(1 / 83)
    # The smallest of 82: P(share < x) = 1 - (1 - x)^82.
    low, high = part.expected_share_interval
    assert 1 - (1 - low) ** 82 == pytest.approx(0.025)
    assert 1 - (1 - high) ** 82 == pytest.approx(0.975)


def test_p_values_are_as_computed_by_hand() -> None:
    # All orders of 3 null and 2 synthetic distances are equally likely if nothing is
    # to be found: the 2 are both below the smallest of the 3 in 1 of 10 of them.
    null = np.array([0.6, 0.7, 0.8])
    assert part_of(np.array([0.3, 0.4]), null).p_value == pytest.approx(0.1)
    assert part_of(np.array([0.9, 0.9]), null).p_value == pytest.approx(1)


def test_p_values_hold_their_level() -> None:
    rng = np.random.default_rng(0)
    sets = [part_of(rng.normal(size=120), rng.normal(size=82)) for _ in range(600)]

    assert np.mean([part.p_value < 0.05 for part in sets]) < 0.07


def test_a_crowd_near_training_cases_fails_without_a_copy() -> None:
    rng = np.random.default_rng(0)
    null = rng.normal(0.7, 0.06, 112)
    found = rng.normal(0.7, 0.06, 120).clip(0.62)
    assert part_of(found, null).passed

    found[:30] = null.min() - 0.001
    crowded = part_of(found, null)
    assert crowded.copies.size == 0
    assert not crowded.passed
    assert crowded.flagged.tolist() == list(range(30))


def test_a_distance_far_below_the_null_is_a_copy_and_one_at_its_edge_is_not() -> None:
    null = np.random.default_rng(0).normal(0.7, 0.06, 112)
    found = np.full(120, 0.7)
    found[5] = null.min() - 0.01
    assert part_of(found, null).passed

    found[5] = 0.3
    assert part_of(found, null).copies.tolist() == [5]


def test_few_real_cases_are_enough_to_find_an_exact_copy() -> None:
    part = part_of(np.array([0.1, 0.5]), np.array([0.5, 0.9, 0.6, 0.8]))

    assert part.copy_bound == 0.2
    assert part.copies.tolist() == [0]
    assert part.flagged.tolist() == [0]


def test_closest_lists_no_more_than_exist() -> None:
    part = part_of(np.array([0.5, 0.3]), np.linspace(0.4, 1, 9))

    assert part.closest(9).tolist() == [1, 0]
    assert part.closest(1).tolist() == [1]


@pytest.mark.parametrize("short", ["training", "synthetic", "held_out"])
def test_an_audit_needs_cases(phantoms: Pairs, short: str) -> None:
    some = take(phantoms, np.arange(4))
    few = take(phantoms, np.arange(2 if short == "training" else 0))
    sets = dict.fromkeys(("training", "synthetic", "held_out"), some) | {short: few}
    with pytest.raises(ValueError, match="at least 3 training, 1 synthetic"):
        audit(sets["training"], sets["synthetic"], sets["held_out"])


def test_nearest_is_relative_to_the_mean_of_the_others() -> None:
    matrix = np.array([[0.4, 0.1, 0.6], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    cases, relative = nearest(matrix)

    assert cases.tolist() == [1, 0, 0]
    np.testing.assert_allclose(relative, [0.2, 1.0, 0.0])


def test_cases_at_infinity_are_left_out() -> None:
    cases, relative = nearest(np.array([[np.inf, 0.4, 0.8]]))

    assert cases.tolist() == [1]
    assert relative.tolist() == [0.5]


def test_only_the_next_50_count() -> None:
    row = np.concatenate([[0.3], np.full(50, 0.6), np.full(20, 100.0)])
    assert nearest(row[None])[1].tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("matrix", [np.ones((3, 1)), np.array([[np.inf, 1.0]])])
def test_one_training_case_is_too_few(matrix: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        nearest(matrix)
