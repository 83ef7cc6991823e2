"""The page holds all it shows, in order, and nothing from a file is taken for HTML."""

import html.parser
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfgansynth.errors import InputError
from tfgansynth.reporting.html.conclusions import OPEN
from tfgansynth.reporting.html.page import write_report
from tfgansynth.runtime import storage

VOID = {"meta", "link", "img", "br", "use", "path", "rect"}
SECTIONS = [
    "Tables",
    "Learning curve",
    "Quality, fidelity, memorization",
    "Pictures",
    "Training",
    "Provenance",
]


class Reader(html.parser.HTMLParser):
    """Takes a page apart, and fails where its elements are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open and re.fullmatch(r"h[1-6]", self._open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(study: Path) -> str:
    return write_report(study).read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Reader:
    return Reader(text)


@pytest.fixture(scope="module")
def bare(run: Path) -> Reader:
    return Reader(write_report(run).read_text())


def test_headings_are_in_order(page: Reader, bare: Reader) -> None:
    for each in (page, bare):
        levels = [level for level, _ in each.headings]
        assert levels[0] == 1
        assert levels.count(1) == 1
        for before, after in itertools.pairwise(levels):
            assert after <= before + 1
    titles = [text for level, text in page.headings if level == 2]
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    assert "Learning curve" not in [text for _, text in bare.headings]


def test_phantoms_are_announced_before_all_else(page: Reader) -> None:
    body = page.text.split("}")[-1].lstrip()

    assert body.startswith("PHANTOMS: procedural images, not patients")
    assert page.text.startswith("PHANTOMS: ")


def test_the_answer_of_each_table_stands_at_the_top(page: Reader) -> None:
    answers = [text for level, text in page.headings if level == 2][:2]

    # Two runs alone, of one fold each, leave the direction open.
    assert answers == [OPEN, "It makes no difference that matters."]
    assert (
        "mixed against real only: whether Dice is higher or lower is open" in page.text
    )
    assert (
        "real + synthetic (fixed budget) against real (fixed budget): no difference of "
        "Dice that matters" in page.text
    )


def test_nothing_is_loaded_and_nothing_runs(text: str, page: Reader) -> None:
    addresses = [
        attributes[name]
        for _, attributes in page.elements
        for name in ("src", "href", "xlink:href", "srcset", "action", "data")
        if name in attributes
    ]

    assert addresses
    assert all(each and each.startswith(("data:", "#")) for each in addresses)
    assert not page.all("script")
    assert not re.search(r"@import|@font-face", text)
    assert all(each.startswith("#") for each in re.findall(r"url\(([^)]*)", text))
    assert not [
        name
        for _, attributes in page.elements
        for name in attributes
        if name.startswith("on")
    ]


def test_every_picture_has_words(page: Reader) -> None:
    assert len(page.all("img")) > 50
    assert all(each["alt"] for each in page.all("img"))
    plots = [each for each in page.all("svg") if "aria-hidden" not in each]
    assert len(plots) > 20
    assert all(each["aria-label"] for each in plots)


def test_ids_are_unique_and_links_lead_somewhere(page: Reader) -> None:
    ids = [each["id"] for _, each in page.elements if "id" in each]

    assert len(set(ids)) == len(ids)
    links = [each["href"] or "" for each in page.all("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_names_from_files_are_text(text: str, page: Reader) -> None:
    assert "case <b>&\"'$x$" in page.text
    assert "a <remark> & more" in page.text
    assert "normal numbers <from a test>" in page.text
    assert "The paper's regimes: trained until" in page.text
    assert not page.all("b") + page.all("remark")
    assert "{{" not in text


def test_our_rows_stand_beside_the_papers(page: Reader, bare: Reader) -> None:
    for each in (page, bare):
        assert "paper 0.9464 ± 0.0158" in each.text
        assert "paper 7.29 ± 5.10" in each.text
        assert "paper 30 + 120" in each.text


def test_the_audit_is_told(page: Reader) -> None:
    assert "The audit is NOT PASSED" in page.text
    assert "phantom-004: 0.000" in page.text
    assert "Its advantage on 14 members and 14 others is" in page.text


def test_a_filtered_set_is_shown_beside_the_whole_one(own_study: Path) -> None:
    fold = own_study.with_name("phantoms-reduced-smoke-seed0") / "fold-1"
    for name in ("synthetic", "assessment"):
        shutil.copytree(fold / name, fold / f"{name}-filtered")

    page = Reader(write_report(own_study).read_text())

    shown = [text for _, text in page.headings if "filtered set" in text]
    assert shown == ["Seed 0, fold 1, filtered set"]
    assert "not been assessed" not in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_sets_that_are_not_assessed_are_counted(own_study: Path) -> None:
    fold = own_study.with_name("phantoms-reduced-smoke-seed1") / "fold-1"
    shutil.rmtree(fold / "assessment")

    page = Reader(write_report(own_study).read_text())

    assert "1 of 2 synthetic sets has not been assessed." in page.text


def test_the_key_of_plots_names_baselines_that_answer_nothing(
    own_study: Path, page: Reader
) -> None:
    path = own_study / "comparison.json"
    record = storage.read_record(path)
    record["tables"][0]["rows"][0]["baseline"] = "ceiling"
    storage.write_record(path, record)

    assert "Dotted: baselines." in Reader(write_report(own_study).read_text()).text
    assert "Dotted" not in page.text


def test_what_is_not_there_is_said(bare: Reader) -> None:
    assert "have not been assessed" in bare.text
    assert "and there is none" in bare.text


def test_the_early_samples_are_those_near_a_tenth(page: Reader) -> None:
    assert "Step 2 " in page.text
    assert "Step 20, the last" in page.text
    assert "Step 10 " not in page.text


def test_how_it_was_made_is_told(page: Reader) -> None:
    for words in ("ab" * 32, "unet.max-epochs", "a processor", "1 min 02 s in all"):
        assert words in page.text


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(study: Path, text: str) -> None:
    code = "import sys, pathlib; "
    code += "from tfgansynth.reporting.html.page import write_report as w; "
    code += "w(pathlib.Path(sys.argv[1])); assert 'tensorflow' not in sys.modules"
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code, study], cwd=root, check=True)

    assert (study / "report.html").read_text() == text


def test_a_comparison_of_another_form_is_named(own_study: Path) -> None:
    record = storage.read_record(own_study / "comparison.json")
    del record["tables"][0]["rows"][0]["metrics"]["dice"]["sd"]
    storage.write_record(own_study / "comparison.json", record)

    with pytest.raises(InputError, match=r"is not of the form"):
        write_report(own_study)

    assert not (own_study / "report.html").exists()
