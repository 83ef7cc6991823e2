"""Plots are text that a page can hold: its colors, its font, unique ids, no code."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from tests.reporting import made
from tfgansynth.evaluation.mixed_effects import Components
from tfgansynth.evaluation.verdicts import MetricDifference, PairComparison
from tfgansynth.records.regimes import Regime
from tfgansynth.reporting.html import figures, plots

NAMES = ['<b>$x$ & "y"', "plain"]
DIFFERENCE = MetricDifference(
    mean=-0.002,
    low=-0.004,
    high=0.001,
    p=0.5,
    p_wilcoxon=0.5,
    components=Components(0.0, 0.0, 0.0),
    p_holm=0.5,
    simultaneous_low=-0.004,
    simultaneous_high=0.001,
)


def boxes(name: str = "boxes") -> Markup:
    style = figures.regime_style(Regime(30, 120, "augmented"))
    return figures.boxes(
        {row: (style, [0.8, 0.9, 0.95]) for row in NAMES}, "dice", name
    )


def comparison(low: float, high: float, mean: float = -0.002) -> PairComparison:
    found = dataclasses.replace(
        DIFFERENCE, mean=mean, simultaneous_low=low, simultaneous_high=high
    )
    (pair,) = made.comparison("run-seed0").comparisons
    metrics = {"dice": found, "hausdorff_px": found}
    return dataclasses.replace(pair, first="a", second="b", metrics=metrics)


def test_the_same_figure_gives_the_same_text() -> None:
    assert boxes() == boxes()


def test_ids_of_two_plots_differ() -> None:
    first, second = (set(re.findall(r' id="([^"]+)"', boxes(name))) for name in "ab")

    assert first
    assert not first & second
    for plot in (boxes("a"), figures.forest([comparison(-1, 1)], "dice", "a")[0]):
        ids = set(re.findall(r' id="([^"]+)"', plot))
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', plot)) <= {
            pair for each in ids for pair in ((each, ""), ("", each))
        }


def test_names_are_text_and_nothing_else() -> None:
    root = ET.fromstring(boxes())
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]

    assert NAMES[0] in texts
    assert root.get("aria-label", "").startswith("Dice of each test case, medians: ")
    assert NAMES[0] in root.get("aria-label", "")
    assert root.get("role") == "img"


def test_colors_and_fonts_are_the_pages() -> None:
    plot = boxes()

    assert "var(--mixed)" in plot
    assert "DejaVu" not in plot
    assert "<style" not in plot
    assert not re.findall(r"#0[0-9]0[0-9]0[0-9]", plot)
    assert set(re.findall(r"(?:fill|stroke): (#\w+)", plot)) == set()


@pytest.mark.parametrize(
    ("low", "high", "is_cut"), [(-0.004, 0.001, False), (-5.0, 4.0, True)]
)
def test_a_wide_interval_is_cut_and_said_so(
    low: float, high: float, is_cut: bool
) -> None:
    plot, cut = figures.forest([comparison(low, high)], "dice", "forest")

    assert cut is is_cut
    assert f"b minus a -0.0020, {low:+.4f} to {high:+.4f}" in plot


def test_a_forest_of_zeros_can_be_drawn() -> None:
    plot, cut = figures.forest([comparison(0, 0, mean=0.0)], "hausdorff_px", "z")

    assert not cut
    assert plot.startswith("<svg")


def test_plots_are_as_wide_as_a_phone() -> None:
    with plots.drawing(100) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1])
        plot = plots.as_svg(figure, "name", "alt")

    assert 'viewBox="0 0 360 100"' in plot
    assert "pt" not in plot.split(">")[0].replace("http", "")
