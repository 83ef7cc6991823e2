"""The data card of a synthetic set, in the form of the Hugging Face Hub."""

import dataclasses

from tfgansynth.records.provenance import SetManifest
from tfgansynth.reporting.cards.findings import CardFindings
from tfgansynth.reporting.cards.front_matter import front_matter, license_fields
from tfgansynth.reporting.rendering import render

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class SetFacts:
    """A synthetic set as it is handed over.

    Attributes:
        manifest: Its manifest.
        manifest_sha256: Hash of the manifest's file.
        n_pairs: How many pairs.
        size: Side of the images in pixels.
        nnunet: Name of the folder in nnU-Net's layout.
        labels: What the integers of its labels mean.
    """

    manifest: SetManifest
    manifest_sha256: str
    n_pairs: int
    size: int
    nnunet: str
    labels: dict[str, int]


def data_card(facts: SetFacts, findings: CardFindings) -> str:
    """Render the card: README.md of the folder that is handed over."""
    dataset = facts.manifest.dataset
    name = f"Synthetic pairs of image and mask from {dataset.name}"
    kind = ["phantom"] if dataset.is_phantom else []
    metadata = {
        **license_fields(dataset),
        "pretty_name": name,
        "task_categories": ["image-segmentation"],
        "size_categories": [size_category(facts.n_pairs)],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "medical", "segmentation", "gan", "tfgansynth", *kind],
    }
    card = render(
        "data_card.md.jinja",
        front_matter=front_matter(metadata),
        name=name,
        facts=facts,
        provenance=facts.manifest,
        findings=findings,
    )
    return f"{card}\n"


def size_category(n: int) -> str:
    """The Hub's category for a number of examples."""
    return next((name for most, name in _SIZES if n < most), "n>1M")
