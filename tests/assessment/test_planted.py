"""What the audit finds of planted copies, and how often it objects to none."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.data.copies.test_registration import read
from tfgansynth.arrays import resize_area
from tfgansynth.assessment.memorization import (
    Audit,
    PartAudit,
    audit,
    count_detected,
    nearest,
)
from tfgansynth.assessment.planted import ALTERATIONS, blend
from tfgansynth.assessment.search import Search, most_copies
from tfgansynth.config import AugmentationConfig
from tfgansynth.data.augmentation import augment_set
from tfgansynth.data.copies import keypoints
from tfgansynth.data.copies.distances import Pairs, Part, distances
from tfgansynth.data.copies.registration import compare
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms

SIDE = 64
BENT_MORE = "bent twice as much"
BLENDS = (0.3, 0.4, 0.5, 0.6, 0.7)
SHARES = (0.01, 0.05, 0.1)
LEAST_FOUND, MOST_FALSE = 0.95, 0.05


def take(pairs: Pairs, indices: NDArray[np.int64]) -> Pairs:
    return pairs[0][indices], pairs[1][indices]


def alter(pairs: Pairs, others: Pairs, kind: str) -> Pairs:
    """Copy each pair; a blend is with one of the others, which are as many."""
    if kind.startswith("blended"):
        return blend(pairs, others, float(kind.split()[1]))
    rng = np.random.default_rng(1)
    if kind == BENT_MORE:
        bend = AugmentationConfig(shift=0, rotation=0, grey=0, stddev=SIDE / 64)
        images, masks = augment_set(pairs[0].astype(np.uint8), pairs[1], rng, bend)
        return images.astype(np.float32), masks
    made = [
        ALTERATIONS[kind](image, mask, rng) for image, mask in zip(*pairs, strict=True)
    ]
    images, masks = (np.stack(planes) for planes in zip(*made, strict=True))
    return np.clip(np.rint(images), 0, 255), masks


def subset(whole: Audit, chosen: NDArray[np.int64]) -> Audit:
    """The audit of some of the pairs: what is measured of a pair is its own."""
    assert whole.search
    search = dataclasses.replace(
        whole.search,
        cases=whole.search.cases[chosen],
        scores=whole.search.scores[chosen],
    )
    parts = {
        name: PartAudit(part.cases[chosen], part.distances[chosen], part.null)
        for name, part in whole.parts.items()
    }
    return Audit(parts, search)


@dataclasses.dataclass(frozen=True)
class Measured:
    """An audit of copies of each kind, and of pairs that no generator has seen."""

    whole: Audit
    kinds: tuple[str, ...]
    n_copies: int

    def of(self, kind: str) -> NDArray[np.int64]:
        return np.arange(self.n_copies) + self.kinds.index(kind) * self.n_copies

    @functools.cached_property
    def unseen(self) -> NDArray[np.int64]:
        n_all = len(self.whole.parts["image"].cases)
        return np.arange(len(self.kinds) * self.n_copies, n_all)

    def found(self, kind: str) -> tuple[float, float]:
        """Shares of the copies that are found: by the image, and by anything."""
        assert self.whole.search
        by_image = np.union1d(
            self.whole.search.copies, self.whole.parts["image"].copies
        )
        copies = self.of(kind)
        shares = [
            np.isin(copies, each).mean() for each in (by_image, self.whole.copies)
        ]
        return float(shares[0]), float(shares[1])

    def failing(self, kind: str, share: float) -> float:
        """How often a set of 100 pairs, such a share of them copies, does not pass."""
        rng, n_sets, n_planted = np.random.default_rng(0), 50, round(100 * share)
        sets = (
            np.concatenate(
                [
                    rng.choice(self.of(kind), n_planted),
                    rng.choice(self.unseen, 100 - n_planted),
                ]
            )
            for _ in range(n_sets)
        )
        return float(np.mean([not subset(self.whole, each).passed for each in sets]))


def measure(
    pairs: Pairs, kinds: tuple[str, ...], n_training: int, n_copies: int
) -> Measured:
    """Take some pairs as training cases, half of the others as held out."""
    rest = np.arange(n_training, len(pairs[0]))
    held_out, unseen = np.array_split(rest, 2)
    originals, others = (
        take(pairs, places[:n_copies])
        for places in (
            np.arange(n_training),
            np.random.default_rng(0).permutation(rest),
        )
    )
    groups = [alter(originals, others, kind) for kind in kinds]
    images, masks = (
        np.concatenate(planes)
        for planes in zip(*groups, take(pairs, unseen), strict=True)
    )
    training = take(pairs, np.arange(n_training))
    found = audit(training, (images, masks), take(pairs, held_out))
    return Measured(found, kinds, n_copies)


def false_alarms(pairs: Pairs, n_splits: int) -> tuple[float, float]:
    """Audit random splits of pairs that are all different: there is nothing to find.

    Returns:
        The share of the sets that do not pass, and of the pairs that are copies.
    """
    n = len(pairs[0])
    matrices = distances(pairs, pairs)
    likeness = np.zeros((n, n))
    # One search for all splits: of so many pairs that most images have one with a
    # training case in each. The audit looks at one pair alone.
    most = dataclasses.replace(keypoints._FAST, groups=60, candidates=15)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keypoints, "_FAST", most)
        for copy in compare([*pairs[0]], n):
            likeness[copy.second, copy.first] = copy.score
    likeness = np.maximum(likeness, likeness.T)
    print(f"highest score of two: {likeness.max():.2f}")
    for matrix in matrices.values():
        np.fill_diagonal(matrix, np.inf)
    rng, none = np.random.default_rng(0), np.zeros(0)
    failed, copies = [], []
    for _ in range(n_splits):
        order = rng.permutation(n)
        train, held_out, ours = np.split(order, [30, 30 + (n - 30) // 2])
        real = np.concatenate([held_out, train])
        parts: dict[Part, PartAudit] = {}
        for part, matrix in matrices.items():
            _, null = nearest(matrix[np.ix_(real, train)])
            found = nearest(matrix[np.ix_(ours, train)])
            parts[part] = PartAudit(*found, np.sort(null))
        alike = likeness[:, train].max(axis=1)
        search = Search(ours, alike[ours], np.sort(alike[real]), none, none)
        whole = Audit(parts, search)
        failed.append(not whole.passed)
        copies.append(len(whole.copies) / len(ours))
    return float(np.mean(failed)), float(np.mean(copies))


@pytest.fixture(scope="module")
def phantoms() -> Pairs:
    return images_and_labels(load_phantoms(60, 5, "both", SIDE, soft_masks=False).cases)


def read_pairs(folder: Path) -> Pairs:
    """Read the images of a folder, and masks of the same names, at `SIDE` pixels."""
    paths = sorted((folder / "images").glob("*.png"))
    images = [np.rint(resize_area(read(path), SIDE)) for path in paths]
    masks = [
        resize_area(read(folder / "masks" / path.name), SIDE) > 127 for path in paths
    ]
    return np.stack(images), np.stack(masks).astype(np.uint8)


@pytest.mark.slow
def test_the_copies_that_the_docs_promise(
    request: pytest.FixtureRequest, phantoms: Pairs
) -> None:
    """Print the table of `docs/explanation/assessment.md`; see `--copies`."""
    folder: Path | None = request.config.getoption("--copies")
    blends = tuple(f"blended {share}" for share in BLENDS)
    if folder is None:
        sets, n_copies, n_training = {"phantoms": phantoms}, 2, 20
        kinds = (*ALTERATIONS, *blends[:1])
    else:
        paths = sorted(path for path in folder.iterdir() if (path / "masks").is_dir())
        sets = {path.name: read_pairs(path) for path in paths}
        made = load_phantoms(200, 5, "both", SIDE, soft_masks=False)
        sets["phantoms"] = images_and_labels(made.cases)
        n_copies, n_training = 20, 30
        kinds = (*ALTERATIONS, BENT_MORE, *blends)
    for name, pairs in sets.items():
        measured = measure(pairs, kinds, n_training, n_copies)
        print(f"\n{name}: {n_training} training cases, {n_copies} copies of a kind")
        for kind in kinds:
            found = measured.found(kind)
            # They take long, and nothing is promised of them.
            shares = SHARES if folder else ()
            sets_failing = [measured.failing(kind, share) for share in shares]
            cells = [f"{100 * share:.0f} %" for share in (*found, *sets_failing)]
            print(f"| {' | '.join([kind, *cells])} |", flush=True)
            if kind not in (BENT_MORE, *blends[2:]):
                assert found[1] >= LEAST_FOUND
        search = measured.whole.search
        assert search
        n_detected = count_detected(search, measured.whole.parts["image"])
        print(f"positive control: {n_detected} of {len(search.planted)}")
        print(f"highest score of {len(search.null)} real cases: {search.null[-1]:.2f}")
        assert n_detected >= LEAST_FOUND * len(search.planted)
        assert search.null[-1] < search.cut
        if folder is None:
            continue  # see test_memorization.test_false_alarms_are_rare_over_splits
        n_splits = 400
        failed, copies = false_alarms(pairs, n_splits)
        print(f"{n_splits} sets without copies: {100 * failed:.1f} % do not pass,")
        print(f"{100 * copies:.2f} % of their pairs are called copies")
        assert failed <= MOST_FALSE


@pytest.mark.slow
def test_augmented_pairs_have_an_augmented_null(phantoms: Pairs) -> None:
    """Such an audit finds little, says so, and still objects to nothing unseen."""
    training, held_out, unseen = (
        take(phantoms, np.arange(*bounds)) for bounds in ((0, 12), (12, 30), (30, 48))
    )
    augment = functools.partial(augment_set, config=AugmentationConfig())
    grey = unseen[0].astype(np.uint8), unseen[1]
    moved = augment(*grey, np.random.default_rng(3))

    plain = audit(training, unseen, held_out)
    after = audit(training, moved, held_out, augment=augment)

    assert after.passed
    assert not after.copies.size
    bounds = {}
    for name, each in {"plain": plain, "after": after}.items():
        assert each.search
        n_detected = count_detected(each.search, each.parts["image"])
        bounds[name] = most_copies(0, 18, n_detected, len(each.search.planted))
    assert bounds["plain"] < 0.35 < bounds["after"]
    assert not np.array_equal(plain.parts["image"].null, after.parts["image"].null)


def test_what_is_found_of_a_pair_does_not_depend_on_the_others(phantoms: Pairs) -> None:
    training, held_out = take(phantoms, np.arange(8)), take(phantoms, np.arange(8, 12))
    copies = alter(take(training, np.arange(3)), training, "mirrored")
    others = take(phantoms, np.arange(20, 26))
    crowd = (
        np.concatenate([copies[0], others[0]]),
        np.concatenate([copies[1], others[1]]),
    )
    alone, among = (audit(training, each, held_out) for each in (copies, crowd))

    assert alone.search
    assert among.search
    np.testing.assert_array_equal(among.search.scores[:3], alone.search.scores)
    assert alone.search.cases.tolist() == [0, 1, 2]
    assert alone.search.copies.tolist() == among.search.copies.tolist() == [0, 1, 2]
    assert not among.passed


def searched(scores: list[float], null: list[float]) -> Search:
    none = np.zeros(0)
    cases = np.zeros(len(scores), np.int64)
    return Search(cases, np.array(scores), np.sort(np.array(null)), none, none)


def test_the_cut_rises_where_real_cases_are_alike() -> None:
    usual = searched([0.69, 0.71], [0.1] * 50)
    assert usual.cut == 0.7
    assert usual.copies.tolist() == [1]

    alike = searched([0.75, 0.9], [0.7] * 50)
    assert alike.cut == pytest.approx(0.8)
    assert alike.copies.tolist() == [1]


def test_a_duplicate_among_real_cases_hides_no_copy() -> None:
    search = searched([0.75], [0.1] * 98 + [1.0, 1.0])

    assert search.cut == 0.7
    assert search.n_real == 2


def test_the_bound_is_as_computed_by_hand() -> None:
    # None of n with a share p: (1 - p)^n = 0.025. All of m found: d^m = 0.025.
    share, detected = 1 - 0.025 ** (1 / 120), 0.025 ** (1 / 30)
    assert most_copies(0, 120, 30, 30) == pytest.approx(share / detected)
    assert most_copies(0, 120, 30, 30) == pytest.approx(0.0342, abs=1e-4)
    assert most_copies(0, 120, 0, 30) == 1
    assert most_copies(120, 120, 30, 30) == 1


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("rate", [0.5, 0.95])
def test_the_bound_holds_in_95_of_100_experiments(share: float, rate: float) -> None:
    rng = np.random.default_rng(0)
    found = rng.binomial(120, share * rate, 400)
    detected = rng.binomial(30, rate, 400)
    bounds = [
        most_copies(int(x), 120, int(k), 30)
        for x, k in zip(found, detected, strict=True)
    ]

    assert np.mean(np.array(bounds) >= share) >= 0.95
