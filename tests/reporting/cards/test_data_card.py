import dataclasses
from typing import Any

import pytest
import yaml

from tests.reporting.made import MANIFEST
from tfgansynth.data.copies.duplicates import Crossing, DuplicatePair
from tfgansynth.data.dataset import Identity
from tfgansynth.records.provenance import DroppedPair, SetManifest
from tfgansynth.reporting.cards.cards import data_card, size_category
from tfgansynth.reporting.cards.findings import CardFindings

DUPLICATE = Crossing(DuplicatePair("a", "b", "exact"), 1, ("training", "test"))
PHANTOMS = dataclasses.replace(MANIFEST, duplicates=(DUPLICATE,))
PATIENTS = dataclasses.replace(
    MANIFEST, dataset=Identity("shenzhen", "folder", 60, "0123abcd")
)


def card_of(
    manifest: SetManifest = PHANTOMS, findings: CardFindings | None = None
) -> str:
    return data_card(
        manifest,
        findings or CardFindings(),
        manifest_sha256="cafe",
        n_pairs=120,
        size=128,
        nnunet="Dataset502_SyntheticLungs",
        labels={"background": 0, "left lung": 1},
    )


def metadata(card: str) -> dict[str, Any]:
    empty, yaml_text, _ = card.split("---\n", 2)
    assert not empty
    read: dict[str, Any] = yaml.safe_load(yaml_text)
    return read


def test_the_metadata_are_those_of_the_hub() -> None:
    found = metadata(card_of(PATIENTS))

    assert found == {
        "license": "other",
        "license_name": "terms-of-the-source-data",
        "pretty_name": "Synthetic pairs of image and mask from shenzhen",
        "task_categories": ["image-segmentation"],
        "size_categories": ["n<1K"],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "medical", "segmentation", "gan", "tfgansynth"],
    }


@pytest.mark.parametrize(
    ("n", "category"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (1_000_000, "n>1M"),
    ],
)
def test_sizes_are_named_as_the_hub_names_them(n: int, category: str) -> None:
    assert size_category(n) == category


def test_the_card_tells_what_the_set_is_and_where_it_came_from() -> None:
    card = card_of()

    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "What it is",
        "How it was made",
        "From which data",
        "Intended use",
        "Out of scope",
        "Limits",
        "Terms",
        "Assessment",
        "Evaluation",
        "Training cases",
        "Citation",
    ]
    for words in (
        "120 pairs of a grey image (128 x 128 px, 8 bits) and a mask of the left lung",
        "| `Dataset502_SyntheticLungs/` |",
        "(0 background, 1 left lung)",
        "thresholded at 150",
        "at most 2 of 64 bits",
        "| Pairs drawn | 130 |",
        "| Dropped as almost identical | 7 |",
        "| Dropped for an empty mask | 3 |",
        "| Seed of the noise | 77 |",
        "| Data hash | 0123abcd |",
        "| Trained on | 3 cases of fold 2 |",
        "| Duplicates across the split | 1, as allowed |",
        "| Preset, seed, step | smoke, 17, 4321 |",
        "SHA-256 of `manifest.json`: `cafe`",
        "| b | `00bb` |",
        "@inproceedings{neff2017generative,",
    ):
        assert words in card, words


def test_what_was_done_besides_the_papers_steps_is_told() -> None:
    plain = card_of()
    manifest = dataclasses.replace(
        MANIFEST,
        gan=dataclasses.replace(MANIFEST.gan, latent_codes=True),
        pseudo_labels={"pseudo-labels/member-1": "00", "pseudo-labels/member-2": "11"},
        synthesis=dataclasses.replace(
            MANIFEST.synthesis, augment="elastic", near_duplicates="pixels"
        ),
        kept_with_an_empty_mask=11,
        kept_by_hash_alone=12,
    )
    card = card_of(manifest)

    for words in (
        "mean prediction of 2 U-Nets",
        "Each pair was augmented once",
        "a latent code for each training case",
        "of 64 bits or whose pixels are almost identical",
        "at most the training cases' share of such was kept",
        "| Kept with an empty mask | 11 |",
        "almost identical to an earlier image's | 12 |",
    ):
        assert words in card
        assert words not in plain
    assert "both drawn at once" in plain
    assert "both drawn at once" not in card


def test_phantoms_are_said_before_all_else() -> None:
    phantoms, patients = map(card_of, (PHANTOMS, PATIENTS))

    body = phantoms.split("\n# ")[1].split("\n\n")
    assert body[1].startswith("> **PHANTOMS: procedural images, not patients.")
    assert "phantom" in metadata(phantoms)["tags"]
    assert "license_name" not in metadata(phantoms)
    assert "terms of the data set" not in phantoms
    assert "phantom" not in patients.lower()
    assert "terms of the data set bind this set too" in patients
    assert "(shenzhen)" in patients


def test_what_was_not_measured_is_said_plainly() -> None:
    card = card_of()

    assert "## Assessment\n\n**Not assessed.**" in card
    assert "## Evaluation\n\n**Not evaluated.**" in card
    assert "REMARK" not in card


def test_what_was_found_is_told() -> None:
    found = CardFindings("all sound", "all helped", ("GAN: it has collapsed",))
    card = card_of(PHANTOMS, found)

    assert "## Assessment\n\nall sound\n\n## Evaluation\n\nall helped\n\n" in card
    assert "- REMARK: GAN: it has collapsed" in card
    assert "Not assessed" not in card


def test_what_a_filter_or_an_audit_dropped_is_told() -> None:
    dropped = DroppedPair(name="x", part="mask", case_id="a", distance=0.1)
    manifest = dataclasses.replace(
        MANIFEST,
        min_agreement=0.9,
        dropped_for_disagreement=11,
        audited_manifest_sha256="00",
        dropped_by_the_audit=(dropped, dropped),
    )
    card = card_of(manifest)

    assert "| Dropped for disagreement with the out-of-fold ensemble | 11 |" in card
    assert "| Dropped by the audit for copies | 2 |" in card


def test_colors_and_several_classes_are_said() -> None:
    dataset = Identity(
        "colon", "folder", 60, "0123abcd", ("nerve", "vessel"), 3, "nerve and vessel"
    )
    card = card_of(dataclasses.replace(MANIFEST, dataset=dataset))

    assert "120 pairs of a color image (128 x 128 px, 8 bits)" in card
    assert "masks have the index of the class of each pixel" in card
    assert "grey image" not in card
    assert "0 or 255" not in card
