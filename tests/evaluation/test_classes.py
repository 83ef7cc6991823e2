"""Several classes: each is measured by itself, and a case by their mean."""

import dataclasses

import numpy as np
import pytest

from tfgansynth.arrays import Labels, luminance, most_covered, one_hot
from tfgansynth.evaluation.case_rows import (
    cases_from_csv,
    cases_to_csv,
    summarize_classes,
    summarize_rows,
)
from tfgansynth.evaluation.metrics import measure, measure_classes
from tfgansynth.evaluation.predictions import measure_cases

NAMES = ("nerve", "vessel, large")


def label_maps(count: int = 4) -> tuple[Labels, Labels]:
    truths = np.zeros((count, 16, 16), np.uint8)
    truths[:, 2:8, 2:8] = 1
    truths[1:, 8:14, 8:14] = 2
    predictions = truths.copy()
    predictions[:, 2:4] = 0
    predictions[2:3, 8:11, 8:14] = 1
    return predictions, truths


def test_a_case_is_the_mean_of_its_classes() -> None:
    predictions, truths = label_maps()
    rows = measure_cases(list("abcd"), predictions, truths, NAMES)
    for row, prediction, truth in zip(rows, predictions, truths, strict=True):
        own = [measure(prediction == k, truth == k) for k in (1, 2)]
        assert [*row.by_class.values()] == own
        assert tuple(row.by_class) == NAMES
        for field in dataclasses.fields(own[0]):
            values = [getattr(each, field.name) for each in own]
            assert getattr(row.metrics, field.name) == pytest.approx(np.mean(values))
    # The second class is neither in mask nor in prediction of the first case.
    assert rows[0].by_class[NAMES[1]].dice == 1
    assert rows[0].by_class[NAMES[1]].hausdorff_px == 0
    # Half of its rows are given to the other class.
    assert rows[2].by_class[NAMES[1]].dice == pytest.approx(2 * 18 / (18 + 36))


def test_one_class_has_its_own_metrics_and_no_other() -> None:
    predictions, truths = label_maps()
    (row, *_) = measure_cases(["a"], predictions[:1], truths[:1], ["nerve"])
    assert row.metrics == measure(predictions[0] == 1, truths[0] == 1)
    assert not row.by_class


def test_classes_come_back_from_their_file() -> None:
    rows = measure_cases(list("abcd"), *label_maps(), NAMES)
    text = cases_to_csv(rows, 2, 30, 0)
    assert text.splitlines()[0].startswith("fold,case_id,n_real,n_synthetic,class,dice")
    assert len(text.splitlines()) == 1 + 4 * 3
    assert cases_from_csv(text, 2, 30, 0) == rows
    found = summarize_classes(rows)
    assert tuple(found) == NAMES
    means = [found[name]["dice"].mean for name in NAMES]
    assert summarize_rows(rows)["dice"].mean == pytest.approx(np.mean(means))


@pytest.mark.parametrize(
    ("line", "reason"),
    [(3, "different classes"), (1, "once"), (2, "expected each class")],
)
def test_a_file_without_a_line_is_refused(line: int, reason: str) -> None:
    lines = cases_to_csv(
        measure_cases(list("ab"), *label_maps(2), NAMES), 1, 3, 0
    ).splitlines(keepends=True)
    if line == 2:
        lines.insert(3, lines[3])
    else:
        del lines[line]
    with pytest.raises(ValueError, match=reason):
        cases_from_csv("".join(lines), 1, 3, 0)


def test_the_largest_class_of_a_covered_pixel_counts() -> None:
    coverage = np.array(
        [[0, 0], [0.5, 0], [0.49, 0], [0.2, 0.4], [0.3, 0.3], [0, 1]], np.float32
    )
    assert most_covered(coverage[None])[0].tolist() == [0, 1, 0, 2, 1, 2]
    labels = np.array([[0, 1, 2]], np.uint8)
    planes = one_hot(labels, 2)
    assert planes.tolist() == [[[False, False], [True, False], [False, True]]]
    np.testing.assert_array_equal(most_covered(planes.astype(np.float32)), labels)


def test_luminance_is_of_color_only() -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert luminance(grey) is grey
    color = np.zeros((4, 4, 3), np.uint8)
    color[..., 1] = 200
    assert np.unique(luminance(color)).tolist() == [117]
    assert luminance(np.full((1, 1, 3), 255, np.float32)) == pytest.approx(255)


def test_measuring_needs_one_shape() -> None:
    with pytest.raises(ValueError, match="shape"):
        measure_classes(np.zeros((3, 3), np.uint8), np.zeros((3, 4), np.uint8), 2)
