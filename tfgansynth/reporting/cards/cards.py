"""Cards of a synthetic set and of a generator, in the form of the Hugging Face Hub."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tfgansynth.data.dataset import Identity
from tfgansynth.records.provenance import GeneratorFacts, SetManifest
from tfgansynth.reporting.cards.findings import CardFindings
from tfgansynth.reporting.rendering import render

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9<._-]*")
"""Words that YAML takes for text as they stand, but for those below."""
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def data_card(
    manifest: SetManifest,
    findings: CardFindings,
    *,
    manifest_sha256: str,
    n_pairs: int,
    size: int,
    nnunet: str,
    labels: Mapping[str, int],
) -> str:
    """Render the card of a synthetic set: README.md of the folder handed over.

    Args:
        manifest: The set's manifest.
        findings: What is known of the set.
        manifest_sha256: Hash of the manifest's file.
        n_pairs: How many pairs.
        size: Side of the images in pixels.
        nnunet: Name of the folder in nnU-Net's layout.
        labels: What the integers of its labels mean.
    """
    dataset = manifest.dataset
    name = f"Synthetic pairs of image and mask from {dataset.name}"
    kind = ["phantom"] if dataset.is_phantom else []
    metadata = {
        **_license_fields(dataset),
        "pretty_name": name,
        "task_categories": ["image-segmentation"],
        "size_categories": [size_category(n_pairs)],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "medical", "segmentation", "gan", "tfgansynth", *kind],
    }
    return _card(
        "data_card.md.jinja",
        metadata,
        name=name,
        provenance=manifest,
        findings=findings,
        manifest_sha256=manifest_sha256,
        n_pairs=n_pairs,
        size=size,
        nnunet=nnunet,
        labels=labels,
    )


def model_card(facts: GeneratorFacts, findings: CardFindings) -> str:
    """Render the card of an exported generator."""
    provenance = facts.provenance
    metadata = {
        **_license_fields(provenance.dataset),
        "library_name": "keras",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "medical", "segmentation", "synthetic", "tfgansynth"],
        "datasets": [provenance.dataset.name],
    }
    return _card(
        "model_card.md.jinja",
        metadata,
        facts=facts,
        provenance=provenance,
        settings=dataclasses.asdict(provenance.gan),
        findings=findings,
    )


def size_category(n: int) -> str:
    """The Hub's category for a number of examples."""
    return next((name for most, name in _SIZES if n < most), "n>1M")


def front_matter(fields: Mapping[str, str | Sequence[str]]) -> str:
    """Render the metadata of a card as YAML between lines of dashes.

    Args:
        fields: Texts, or lists of texts, by key.
    """
    lines = ["---"]
    for key, value in fields.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_scalar(value)}")
        else:
            lines += [f"{key}:", *(f"- {_scalar(item)}" for item in value)]
    return "\n".join([*lines, "---"])


def _card(
    template: str, metadata: Mapping[str, str | Sequence[str]], **content: Any
) -> str:
    return f"{render(template, front_matter=front_matter(metadata), **content)}\n"


def _license_fields(dataset: Identity) -> dict[str, str]:
    """The license as metadata: none of the Hub's list is ours to give."""
    if dataset.is_phantom:
        return {"license": "other"}
    return {"license": "other", "license_name": "terms-of-the-source-data"}


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    # Each JSON text is one of YAML too.
    return json.dumps(text)
