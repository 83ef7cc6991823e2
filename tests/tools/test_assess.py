"""Out-of-fold ensemble, assessment and filter of a set through the real scripts."""

import functools
import itertools
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reliability.comparison import differences
from tests.reliability.faults import kill_after
from tests.reliability.processes import Ended, Preparation, Warm
from tests.reliability.settings import FOLDER, MICRO
from tests.tools.conftest import Runner
from tfgansynth.assessment.fidelity import (
    NetworkFeatures,
    compare_features,
    expected_coverage,
)
from tfgansynth.assessment.membership import advantage_of
from tfgansynth.assessment.quality import QUANTILES
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.data.dataset import Case
from tfgansynth.data.loading import load_phantoms
from tfgansynth.evaluation.metrics import dice
from tfgansynth.records.converter import to_json
from tfgansynth.runtime import storage
from tfgansynth.segmentation import callbacks
from tfgansynth.synthesis.sampling import read_set

pytestmark = pytest.mark.slow

N_TRAINING, N_UNUSED, N_VALIDATION, N_PAIRS = 10, 6, 4, 8
SETTINGS = (
    *MICRO,
    *("--data.n-reduced", str(N_TRAINING), "--synthesis.count", str(N_PAIRS)),
    *("--data.n-validation", str(N_VALIDATION)),
    *("--evaluation.cross-fit-steps", "200", "--evaluation.budget-epoch", "40"),
    *("--gan.steps", "12"),
    # Pseudo labels of three steps are masks that nothing could agree with.
    *("--synthesis.pseudo-label-members", "0", "--synthesis.augment", "none"),
    *("--gan.augment-real", "none"),
)
FOLD = ("--fold", "1")

Tool = Callable[..., Ended]


@pytest.fixture(scope="session")
def tool(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Run `tools/NAME.py` on the small experiment in `out`."""
    logs = tmp_path_factory.mktemp("logs")
    numbers = itertools.count()

    def run(
        name: str, out: Path, *arguments: str | Path, kill: Preparation | None = None
    ) -> Ended:
        command = *SETTINGS, *arguments, "--out", out
        if name != "run_table":
            command = out, *arguments
        if kill:
            return Warm(logs / str(next(numbers)), kill, name, *command).wait()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
            done = tool(name, *command)
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def done(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A finished run with an assessment, and what it said."""
    out = tmp_path_factory.mktemp("assessed")
    ended = tool("run_table", out, "--folds", "1", "--assess", "--verbose")
    assert ended.code == 0, ended.stderr
    return out / FOLDER, ended


@pytest.fixture(scope="session")
def run(done: tuple[Path, Ended]) -> Path:
    return done[0]


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """All phantoms of the run."""
    dataset = load_phantoms(30, 0, "both", 32, soft_masks=False)
    return {case.case_id: case for case in dataset.cases}


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to go on in."""
    return Path(shutil.copytree(run, tmp_path / FOLDER))


def training_ids(run: Path) -> list[str]:
    ids: list[str] = storage.read_record(run / "splits.json")["folds"][0]["reduced"]
    return ids


def read(run: Path, name: str = "assessment") -> tuple[dict[str, Any], dict[str, Any]]:
    folder = run / "fold-1" / name
    record = storage.read_record(folder / "assessment.json")
    return record, storage.read_arrays(folder / "assessment.npz")


def unpack(arrays: dict[str, Any], name: str) -> Any:
    shape = arrays[f"shape_{name}"]
    bits = np.unpackbits(arrays[f"segmented_{name}"], count=int(np.prod(shape)))
    return bits.reshape(shape).astype(bool)


def test_the_table_is_followed_by_an_assessment(done: tuple[Path, Ended]) -> None:
    run, ended = done
    printed = ended.stdout
    (line,) = re.findall(r".*fold 1, assessment of the synthetic set .*", printed)
    agreement = read(run)[0]["quality"]["agreement"]
    assert line.endswith(
        f"audit for copies passed, agreement {agreement['synthetic']['mean']:.3f} "
        f"(real {agreement['real']['mean']:.3f})"
    )
    assert "\nAudit for copies: 1 of 1 passed\n" in printed
    assert printed.count("ASSESSMENT of ") == 1
    assert (
        "ASSESSMENT of fold-1/synthetic: 8 synthetic pairs beside 10 training and 10 "
        "held-out real cases (4 validation cases and 6 training cases that the reduced "
        "set leaves out)"
    ) in printed
    for words in ("QUALITY: ", "FIDELITY: ", "MEMORIZATION: audit for copies: passed"):
        assert printed.index(line) < printed.index(words)
    assert not list(run.glob("fold-1/*filtered*"))


def test_members_never_saw_what_they_segment(run: Path) -> None:
    split = storage.read_record(run / "splits.json")["folds"][0]
    hashes = storage.read_record(run / "cases.json")["cases"]
    segmented: list[str] = []
    for number in (1, 2):
        folder = run / f"fold-1/cross-fit/member-{number}"
        provenance = storage.read_record(folder / "provenance.json")
        storage.require_files(folder, provenance["files"])
        seen, unseen = provenance["training_cases"], provenance["out_of_fold_cases"]
        assert len(seen) == len(unseen) == N_TRAINING / 2
        assert not set(seen) & set(unseen)
        assert set(seen) | set(unseen) == set(split["reduced"])
        assert provenance["validation_cases"].keys() == set(split["validation"])
        for group in ("training_cases", "out_of_fold_cases", "validation_cases"):
            assert provenance[group].items() <= hashes.items()
        # Validation cases choose nothing: the last weights are taken.
        assert provenance["unet"]["fixed_steps"] == 200
        assert provenance["unet"]["keep"] == "last"
        assert provenance["synthetic_set"] is None
        segmented += unseen
        told = read(run)[0]["cross_fit"][f"cross-fit/member-{number}"]
        assert told["model_sha256"] == storage.hash_file(folder / "model.safetensors")
        found = read(run)[1]["agreement_real"]
        unseen_places = [training_ids(run).index(name) for name in unseen]
        assert told["agreement"] == pytest.approx(found[unseen_places].mean())
    assert sorted(segmented) == sorted(split["reduced"])


def test_features_are_of_cases_that_their_network_has_not_seen(run: Path) -> None:
    record, arrays = read(run)
    used: list[str] = []
    for number in (1, 2):
        path = run / f"fold-1/cross-fit/member-{number}/provenance.json"
        provenance = storage.read_record(path)
        ids = arrays[f"features_real_case_ids_{number}"].tolist()
        assert not {*provenance["training_cases"]} & {*ids}
        assert {*provenance["out_of_fold_cases"]} <= {*ids}
        assert len(ids) == len({*ids}) == 5 + N_UNUSED + N_VALIDATION
        used += ids
    split = storage.read_record(run / "splits.json")["folds"][0]
    # Of all real cases but the test cases.
    assert {*used} == {*split["training"], *split["validation"]}
    words = f"{N_UNUSED + N_VALIDATION} held-out and 5 of 10 training cases"
    assert words in record["fidelity"]["features"]


def test_quality_is_recomputed_from_what_is_stored(
    run: Path, cases: dict[str, Case]
) -> None:
    record, arrays = read(run)
    _, masks = read_set(run / "fold-1/synthetic")
    sets = {
        "synthetic": masks,
        "real": np.stack([cases[name].mask for name in training_ids(run)]),
    }
    for name, truths in sets.items():
        found = [
            dice(segmented, mask > 0)
            for segmented, mask in zip(unpack(arrays, name), truths, strict=True)
        ]
        np.testing.assert_array_equal(arrays[f"agreement_{name}"], found)
        told = record["quality"]["agreement"][name]
        assert told["n"] == len(truths)
        assert told["mean"] == pytest.approx(np.mean(found), abs=1e-12)
        assert told["quantiles"] == pytest.approx(np.quantile(found, QUANTILES))
    plausibility = record["quality"]["plausibility"]
    assert plausibility["synthetic"] * N_PAIRS == pytest.approx(
        round(plausibility["synthetic"] * N_PAIRS)
    )
    assert (plausibility["synthetic"] < 1) == bool(plausibility["misfits"])


def test_fidelity_has_all_figures_of_equal_sizes(run: Path) -> None:
    record, arrays = read(run)
    fidelity = record["fidelity"]
    n_real = 5 + N_UNUSED + N_VALIDATION
    networks = []
    for number in (1, 2):
        for name, size in {"real": n_real, "synthetic": N_PAIRS}.items():
            assert arrays[f"features_{name}_{number}"].shape == (size, 4)
            assert arrays[f"features_{name}_{number}"].dtype == np.float32
        networks.append(
            NetworkFeatures(
                np.arange(n_real),
                arrays[f"features_real_{number}"],
                arrays[f"features_synthetic_{number}"],
            )
        )
    n = min(n_real // 2, N_PAIRS)
    assert list(fidelity["figures"]) == [
        *("precision", "recall", "density", "coverage", "kid"),
    ]
    k = fidelity["neighbors"]
    assert k == n // 5
    assert fidelity["expected_coverage"] == expected_coverage(n, n, k)
    assert {each["size"] for each in fidelity["figures"].values()} == {n}
    assert {each["size"] for each in fidelity["shapes"].values()} == {N_PAIRS}
    again = compare_features(networks, seed=5, k=k)
    # Another seed, other subsets of the same sets: near.
    kid = fidelity["figures"]["kid"]
    assert kid["synthetic"]["value"] == pytest.approx(
        again["kid"].synthetic.value, abs=0.2 * abs(again["kid"].synthetic.value) + 0.1
    )
    assert 0 <= fidelity["hash_diversity"]["synthetic"] <= 64
    assert 10 < fidelity["hash_diversity"]["real"] <= 64


def test_membership_is_of_all_real_cases_but_the_test_cases(run: Path) -> None:
    record, arrays = read(run)
    found = record["membership"]
    n_others = N_UNUSED + N_VALIDATION
    assert (found["n_members"], found["n_others"]) == (N_TRAINING, n_others)
    for name in PARTS:
        nearest = arrays[f"nearest_pairs_{name}"]
        expected = advantage_of(nearest[:N_TRAINING], nearest[N_TRAINING:])
        assert found["advantage"][name] == to_json(expected)
        assert len(nearest) == N_TRAINING + n_others


def test_memorization_has_all_figures(run: Path) -> None:
    record, arrays = read(run)
    assert record["memorization"]["passed"] is True
    for name in PARTS:
        part = record["memorization"]["parts"][name]
        null, found = arrays[f"null_{name}"], arrays[f"nearest_distances_{name}"]
        assert len(null) == N_TRAINING + N_UNUSED + N_VALIDATION
        assert len(found) == len(arrays[f"nearest_cases_{name}"]) == N_PAIRS
        assert part["threshold"] == null.min()
        assert part["n_closer"] == np.count_nonzero(found < part["threshold"])
        assert part["share"] == part["n_closer"] / N_PAIRS
        assert part["n_copies"] == np.count_nonzero(found < part["copy_bound"]) == 0
        assert part["passed"] is True
        assert set(part) >= {"expected_share", "p_value"}
        low, high = part["expected_share_interval"]
        assert 0 < low < part["expected_share"] < high < 1


def test_pictures_are_those_of_the_named_cases(
    run: Path, cases: dict[str, Case]
) -> None:
    _, arrays = read(run)
    names = {"real": training_ids(run), "gallery": arrays["gallery_case_ids"].tolist()}
    for kind, ids in names.items():
        images, masks = arrays[f"{kind}_images"], arrays[f"{kind}_masks"]
        assert images.dtype == np.uint8
        assert len(images) == len(masks) == len(ids) > 0
        for case_id, image, mask in zip(ids, images, masks, strict=True):
            np.testing.assert_array_equal(image, np.rint(cases[case_id].image))
            np.testing.assert_array_equal(mask, cases[case_id].mask)
    closest, distances = arrays["gallery_synthetic"], arrays["gallery_distances"]
    assert (np.diff(distances) >= 0).all()
    np.testing.assert_array_equal(arrays["nearest_distances_pair"][closest], distances)
    nearest = arrays["nearest_cases_pair"][closest]
    assert [training_ids(run)[index] for index in nearest] == names["gallery"]


def test_what_is_done_is_not_done_again(tool: Tool, copy: Path) -> None:
    paths = [*copy.rglob("fold-1/cross-fit/**/*"), *copy.rglob("fold-1/assessment/*")]
    before = {path: path.stat().st_mtime_ns for path in paths}

    ended = tool("assess", copy, *FOLD)

    assert ended.code == 0, ended.stderr
    assert "cross-fitted ensemble, member 1 " not in ended.stdout
    assert "stages are done already\n" in ended.stdout
    assert "ASSESSMENT of fold-1/synthetic: 8 synthetic pairs" in ended.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    "name", ["cross-fit/member-2/model.safetensors", "assessment/assessment.npz"]
)
def test_what_was_altered_is_refused(tool: Tool, copy: Path, name: str) -> None:
    path = copy / "fold-1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if name.startswith("cross-fit"):
        shutil.rmtree(copy / "fold-1/assessment")

    ended = tool("assess", copy, *FOLD)

    assert ended.code == 2
    (line,) = ended.stderr.splitlines()
    assert f"{path}: was altered since it was written" in line


def plant(folder: Path, index: int, case: Case) -> None:
    """Put a training case in the place of a pair, as a generator that copies would."""
    manifest = storage.read_record(folder / "manifest.json")
    planes = {"image": np.rint(case.image), "mask": case.mask * 255}
    for kind, plane in planes.items():
        path = folder / f"{kind}s" / manifest["pairs"][index]["name"]
        storage.write_png(path, plane.astype(np.uint8))
        manifest["pairs"][index][f"{kind}_sha256"] = storage.hash_file(path)
    storage.write_record(folder / "manifest.json", manifest)


def test_a_planted_copy_is_caught_and_dropped(
    tool: Tool, copy: Path, cases: dict[str, Case]
) -> None:
    original = training_ids(copy)[3]
    plant(copy / "fold-1/synthetic", 4, cases[original])

    ended = tool("assess", copy, *FOLD, "--drop")

    assert ended.code == 1
    assert not ended.stderr
    assert "remark: is of an earlier set: it is made again\n" in ended.stdout
    assert " audit for copies NOT PASSED (1 of 8 pairs flagged), " in ended.stdout
    assert "MEMORIZATION: audit for copies: NOT PASSED" in ended.stdout
    (told,) = re.findall(r"flagged: (.*)", ended.stdout)
    assert re.fullmatch(rf"synthetic-00005 \(\w+ near {original}: 0\.0\d\d\)", told)
    record, arrays = read(copy)
    assert record["memorization"]["passed"] is False
    assert record["memorization"]["flagged"] == [4]
    assert [arrays[f"nearest_cases_{part}"][4] for part in PARTS] == [3, 3, 3]
    assert arrays["gallery_synthetic"][0] == 4

    audited = copy / "fold-1/synthetic-audited"
    images, masks = read_set(audited)
    whole, whole_masks = read_set(copy / "fold-1/synthetic")
    np.testing.assert_array_equal(images, np.delete(whole, 4, axis=0))
    np.testing.assert_array_equal(masks, np.delete(whole_masks, 4, axis=0))
    (dropped,) = storage.read_record(audited / "manifest.json")["dropped_by_the_audit"]
    assert (dropped["name"], dropped["case_id"]) == ("synthetic-00005", original)

    again = tool("assess", copy, *FOLD, "--set", audited)
    assert again.code == 0, again.stderr
    assert "ASSESSMENT of fold-1/synthetic-audited: 7 synthetic pairs" in again.stdout
    assert read(copy)[0] == record


def test_a_foreign_set_is_refused(tool: Tool, copy: Path) -> None:
    foreign = copy / "fold-1/synthetic-7"
    shutil.copytree(copy / "fold-1/synthetic", foreign)
    manifest = storage.read_record(foreign / "manifest.json")
    storage.write_record(foreign / "manifest.json", {**manifest, "seed": 1})

    ended = tool("assess", copy, *FOLD, "--set", foreign)

    assert ended.code == 2
    assert f"{foreign}: is not of this fold and run (seed: 0 against 1)" in ended.stderr


def test_a_named_set_that_is_not_there_is_named(tool: Tool, copy: Path) -> None:
    missing = copy.parent / "nowhere"

    ended = tool("assess", copy, *FOLD, "--set", str(missing))

    assert ended.code == 2
    assert ended.stderr == f"error: --set {missing}: there is no such file or folder\n"


def test_without_a_set_the_next_step_is_told(tool: Tool, copy: Path) -> None:
    shutil.rmtree(copy / "fold-1/synthetic")

    ended = tool("assess", copy, *FOLD)

    assert ended.code == 2
    (line,) = ended.stderr.splitlines()
    assert "fold-1/synthetic: there is no synthetic set yet: run synthesize" in line


def test_a_filtered_set_has_agreeing_pairs_only(
    tool: Tool, run: Path, copy: Path
) -> None:
    """GAN and ensemble are those of the run; the filter is no setting of theirs."""
    record, arrays = read(run)
    least = record["quality"]["agreement"]["synthetic"]["quantiles"][2]
    assert least > 0.1
    option = ("--synthesis.min-agreement", f"{least:.6f}")
    filtered = copy / "fold-1/synthetic-filtered"

    ended = tool("synthesize", copy, *FOLD, *option)
    assert ended.code == 0, ended.stderr
    # It is a setting of the run from now on.
    ended = tool("assess", copy, *FOLD)

    assert ended.code == 0, ended.stderr
    assert "cross-fitted ensemble, member 1 " not in ended.stdout
    assert ended.stdout.count("ASSESSMENT of fold-1/synthetic-filtered: 8") == 1
    assert ended.stdout.count("ASSESSMENT of fold-1/synthetic: 8") == 1
    _, found = read(copy, "assessment-filtered")
    assert found["agreement_synthetic"].min() >= round(least, 6)
    assert arrays["agreement_synthetic"].min() < round(least, 6)
    manifest = json.loads((filtered / "manifest.json").read_text())
    assert manifest["min_agreement"] == round(least, 6)
    assert manifest["dropped_for_disagreement"] > 0
    assert manifest["drawn"] == N_PAIRS + sum(
        manifest[f"dropped_{why}"]
        for why in ("as_almost_identical", "for_an_empty_mask", "for_disagreement")
    )
    assert manifest["cross_fit"] == {
        f"cross-fit/member-{number}": storage.hash_file(
            run / f"fold-1/cross-fit/member-{number}/model.safetensors"
        )
        for number in (1, 2)
    }


def test_a_filter_that_nothing_passes_gives_up(tool: Tool, copy: Path) -> None:
    options = ("--synthesis.min-agreement", "0.999", "--synthesis.max-draws", "2")

    ended = tool("synthesize", copy, *FOLD, *options)

    assert ended.code == 2
    (line,) = ended.stderr.splitlines()
    assert "only 0 of 16 generated pairs passed the filter (16 disagree" in line
    assert "lower --synthesis.min-agreement 0.999" in line
    assert not list(copy.rglob("synthetic-filtered*"))


@pytest.mark.parametrize("name", ["member-2/checkpoints/step-000002", "assessment.npz"])
def test_killed_after_a_write_it_goes_on(
    tool: Tool, run: Path, copy: Path, name: str
) -> None:
    shutil.rmtree(copy / "fold-1/assessment")
    if name.startswith("member-2"):
        shutil.rmtree(copy / "fold-1/cross-fit/member-2")
    kill = functools.partial(kill_after, name)
    killed = tool("assess", copy, *FOLD, kill=kill)
    assert killed.code == -signal.SIGKILL, killed.stderr
    assert not (copy / "fold-1/assessment").exists()

    ended = tool("assess", copy, *FOLD)

    assert ended.code == 0, ended.stderr
    assert not differences(copy, run)
