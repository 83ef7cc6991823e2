"""The page in a real browser: complete, quiet, off the network, and never too wide."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reporting.html import browser
from tfgansynth.reporting.html.page import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browser.find() is None, reason=f"none of {', '.join(browser.NAMES)} is there"
    ),
]

WIDTHS = 1280, 390
TOO_WIDE = """
[...document.querySelectorAll("body *")]
  .filter(each => !each.parentElement.closest(".scroll, svg"))
  .filter(each => {
    const box = each.getBoundingClientRect();
    return box.right > document.documentElement.clientWidth + 1 || box.left < -1;
  })
  .map(each => each.outerHTML.slice(0, 80))
"""
HIDDEN = """
[...document.querySelectorAll("details > :not(summary)")]
  .filter(each => !each.checkVisibility({contentVisibilityAuto: true}))
  .map(each => each.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def report(study: Path) -> Path:
    return write_report(study)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_complete_and_quiet(
    page: browser.Page, report: Path, width: int, scheme: str
) -> None:
    page.open(report, width, scheme=scheme)

    assert page.evaluate("document.images.length") > 50
    assert (
        page.evaluate(
            "Promise.all([...document.images].map(i => i.decode())).then(() => "
            "[...document.images].filter(i => !i.naturalWidth).length)"
        )
        == 0
    )
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(TOO_WIDE) == []
    said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in page.events if event[0] in said] == []
    asked = [
        params["request"]["url"]
        for name, params in page.events
        if name == "Network.requestWillBeSent"
    ]
    assert report.resolve().as_uri() in asked
    assert [
        url for url in asked if not url.startswith((report.as_uri(), "data:"))
    ] == []


@pytest.mark.parametrize(
    ("scheme", "background"),
    [("light", "rgb(251, 251, 249)"), ("dark", "rgb(19, 21, 23)")],
)
def test_plots_take_the_colors_of_the_scheme(
    page: browser.Page, report: Path, scheme: str, background: str
) -> None:
    page.open(report, 1280, scheme=scheme)

    def color(of: str, what: str) -> str:
        found: str = page.evaluate(
            f"getComputedStyle(document.querySelector('{of}')).{what}"
        )
        return found

    assert color("html", "backgroundColor") == background
    assert color("svg.plot text", "fill") == color(".lead", "color")


def test_print_is_light_and_shows_what_is_folded(
    page: browser.Page, report: Path
) -> None:
    page.open(report, 1280, scheme="dark")
    assert page.evaluate(HIDDEN) != []

    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=features)

    assert page.evaluate(HIDDEN) == []
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")
    page.call("Emulation.setEmulatedMedia", media="", features=[])
