import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import yaml

from tests.gan.small import (
    CARD,
    PROVENANCE,
    REPORT,
    SEED,
    SIZE,
    SMALL,
    Z_DIM,
    make_generator,
)
from tests.reporting.made import GENERATOR
from tfgansynth.data.dataset import Identity
from tfgansynth.gan.exchange.export import export_generator, freeze_moments
from tfgansynth.records.provenance import GeneratorFacts
from tfgansynth.records.runs import Attempt, MachineFacts
from tfgansynth.reporting.cards.cards import model_card
from tfgansynth.reporting.cards.findings import CardFindings
from tfgansynth.synthesis.masks import ClassRule

MACHINE = MachineFacts(
    processor="A Processor",
    cpu_features=(),
    gpus=(),
    bfloat16_units=(),
    threads=2,
    kernels="none",
    versions={"python": "3.11", "keras": "3.15"},
    commit=None,
)
OTHER = dataclasses.replace(MACHINE, gpus=("X",), commit="abc")
FACTS = GeneratorFacts(
    provenance=GENERATOR,
    size=SIZE,
    mask_threshold=100,
    mask_rules=(ClassRule(2),),
    freezing=REPORT,
    seconds=3725.4,
    machines=[
        (Attempt(after=after, precision="bfloat16", machine=index), machine)
        for index, (after, machine) in enumerate([(0, MACHINE), (200, OTHER)])
    ],
)
PATIENTS = dataclasses.replace(
    FACTS,
    provenance=dataclasses.replace(
        GENERATOR, dataset=Identity("jsrt", "jsrt", 60, "0123abcd")
    ),
)


def words_of(card: str) -> str:
    return re.sub(r"\s+", " ", card)


def test_the_metadata_are_those_of_the_hub() -> None:
    empty, metadata, _ = model_card(PATIENTS, CardFindings()).split("---\n", 2)

    assert not empty
    assert yaml.safe_load(metadata) == {
        "license": "other",
        "license_name": "terms-of-the-source-data",
        "library_name": "keras",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "medical", "segmentation", "synthetic", "tfgansynth"],
        "datasets": ["jsrt"],
    }


def test_the_card_says_what_the_model_came_from_and_its_limits() -> None:
    card = model_card(FACTS, CardFindings())

    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "Model details",
        "Intended use",
        "Out of scope",
        "Training data",
        "Training procedure",
        "How to get started",
        "Evaluation",
        "Limits",
        "Environmental",
        "Citation",
    ]
    for words in (
        "phantoms-60, 60 cases (built-in phantoms: procedural images, not patients)",
        "| Data hash | 0123abcd |",
        "lungs: left",
        "3 cases of fold 2",
        "| Duplicates across the split | 0, as allowed |",
        "| Preset, seed, step | smoke, 17, 4321 |",
        "| Weights' hash | feedbeef",
        f"float32 (n, {Z_DIM}), uniform in [-1, 1]",
        f"float32 (n, {SIZE}, {SIZE}, 2) in [-1, 1]; channel 0 image, channel 1 mask",
        "1024 noise vectors",
        "3.46 of 255 grey",
        "98.76% of mask pixels agree",
        "threshold them at 100, keep the 2 largest components, fill holes",
        "no basis for a diagnosis",
        "A SavedModel is a program: load only those from people you trust",
        "has the same weights and no program",
        "| c | `00cc` |",
        "validation cases were compared with samples during training",
        f"4321 mini-batches of {SMALL.batch} pairs",
        "@inproceedings{neff2017generative,",
    ):
        assert words in words_of(card), words


def test_every_number_of_the_training_is_told() -> None:
    card = model_card(FACTS, CardFindings())

    for field in dataclasses.fields(SMALL):
        assert f"| `gan.{field.name}` | " in card, field.name
    assert "| `gan.generator_maps` | 64, 16 |" in card
    assert "| `gan.init_stddev` | 0.1 |" in card


def test_phantoms_are_said_and_patients_terms_named() -> None:
    phantoms, patients = (
        model_card(each, CardFindings()) for each in (FACTS, PATIENTS)
    )

    assert "> **PHANTOMS: procedural images, not patients." in phantoms
    assert "terms of the data set" not in phantoms
    assert "The terms of the data set bind this model too" in patients
    assert "phantom" not in patients.lower()


def test_time_and_machines_of_the_training_are_told() -> None:
    card = model_card(FACTS, CardFindings())

    for line in (
        "| Time of training | 1 h 02 min |",
        "| From step 0 | A Processor |",
        "| GPUs | none |",
        "| Threads | 2 |",
        "| Number format | bfloat16 |",
        "| Versions | python 3.11, keras 3.15 |",
        "| Commit | unknown |",
        "| From step 200 | A Processor |",
        "| GPUs | X |",
        "| Commit | abc |",
        "| Energy, carbon | not measured |",
    ):
        assert line in card.splitlines(), line
    unknown = dataclasses.replace(FACTS, seconds=None, machines=())
    assert "| Time of training | unknown |" in model_card(unknown, CardFindings())


def test_what_was_not_measured_is_said_plainly_and_what_was_is_told() -> None:
    nothing = model_card(FACTS, CardFindings())
    found = model_card(FACTS, CardFindings("all sound", "all helped", ("GAN: won",)))

    assert "**Not assessed.**" in nothing
    assert "**Not evaluated.**" in nothing
    assert "\n\nall sound\n\n" in found
    assert "\n\nall helped\n\n" in found
    assert "- REMARK: GAN: won" in found


def test_the_cards_own_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = make_generator()
    freeze_moments(generator, seed=SEED)
    export_generator(generator, PROVENANCE, CARD, tmp_path)
    card = model_card(FACTS, CardFindings())
    (program,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names: dict[str, Any] = {}

    monkeypatch.chdir(tmp_path)
    exec(program, names)

    assert names["pairs"].shape == (4, SIZE, SIZE, 2)
    assert names["drawn"]["images"].shape == (16, SIZE, SIZE)
    assert names["drawn"]["masks"].dtype == tf.uint8


def test_colors_and_several_classes_are_said() -> None:
    dataset = Identity(
        "colon", "folder", 60, "0123abcd", ("nerve", "vessel"), 3, "nerve and vessel"
    )
    provenance = dataclasses.replace(GENERATOR, dataset=dataset)
    rules = (ClassRule(2), ClassRule(1))
    facts = dataclasses.replace(FACTS, provenance=provenance, mask_rules=rules)
    card = words_of(model_card(facts, CardFindings()))

    for words in (
        "5 channels, those of the image and a mask for each class",
        "it draws a color image of",
        f'`drawn["images"]`: uint8 (count, {SIZE}, {SIZE}, 3)',
        f'`drawn["masks"]`: uint8 (count, {SIZE}, {SIZE}, 2)',
        f"float32 (n, {SIZE}, {SIZE}, 5) in [-1, 1]; first the image, then the masks: "
        "nerve, vessel",
    ):
        assert words in card, words
    assert "grey image" not in card
