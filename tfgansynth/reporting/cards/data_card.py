"""The data card of a synthetic set, in the form of the Hugging Face Hub."""

import dataclasses

from tfgansynth.records.provenance import SetManifest
from tfgansynth.reporting.cards.findings import CardFindings
from tfgansynth.reporting.cards.front_matter import front_matter
from tfgansynth.reporting.cards.sections import (
    citation,
    license_fields,
    loud_line,
    remarks,
    source_table,
    target,
    terms,
    training_cases,
)
from tfgansynth.reporting.grids import bullets, to_markdown

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
    provenance = facts.manifest
    name = f"Synthetic pairs of image and mask from {provenance.dataset.name}"
    metadata = {
        **license_fields(provenance),
        "pretty_name": name,
        "task_categories": ["image-segmentation"],
        "size_categories": [size_category(facts.n_pairs)],
        "annotations_creators": ["machine-generated"],
        "tags": _tags(provenance.dataset.is_phantom),
    }
    parts = [
        f"# {name}",
        *loud_line(provenance),
        "## What it is",
        f"{facts.n_pairs} pairs of a grey image ({facts.size} x {facts.size} px, 8 "
        f"bits) and a mask of {target(provenance)}, {_by_whom(provenance)}. They are "
        "generated and show no real person; the source data are named below.",
        _files(facts),
        "## How it was made",
        _making(provenance),
        _numbers(provenance),
        "## From which data",
        source_table(provenance),
        f"SHA-256 of `manifest.json`: `{facts.manifest_sha256}`.",
        *remarks(findings.remarks),
        "The generator has learned from the cases at the end of this card, and from no "
        "other. A network that is to be tested on any of them must not be trained on "
        "this set.",
        "## Intended use",
        bullets(
            (
                "Research into training segmentation networks with synthetic pairs, "
                "beside or in place of real ones.",
                "Trying out a pipeline where real images may not be taken.",
            )
        ),
        "## Out of scope",
        bullets(
            (
                "Diagnosis, or any decision about a patient.",
                "Testing a network: a result on synthetic pairs is none on patients.",
                "Identifying patients of the source data.",
            )
        ),
        "## Limits",
        bullets(
            (
                "Masks are generated, not drawn by experts; they may be wrong.",
                "What is rare among so few cases is rarer still here, or missing: "
                "findings, devices, unusual bodies.",
                "An audit finds copies that are near in its measure. That it finds "
                "none is no proof of privacy.",
            )
        ),
        "## Terms",
        terms(provenance, "set"),
        "## Assessment",
        findings.assessment,
        "## Evaluation",
        findings.evaluation,
        "## Training cases",
        training_cases(provenance),
        "## Citation",
        citation(),
    ]
    return "\n\n".join([front_matter(metadata), *parts]) + "\n"


def size_category(n: int) -> str:
    """The Hub's category for a number of examples."""
    return next((name for most, name in _SIZES if n < most), "n>1M")


def _tags(is_phantom: bool) -> list[str]:
    kind = ["phantom"] if is_phantom else []
    return ["synthetic", "medical", "segmentation", "gan", "tfgansynth", *kind]


def _by_whom(provenance: SetManifest) -> str:
    network = "a generative adversarial network"
    if provenance.pseudo_labels:
        return f"the image drawn by {network}, the mask by segmentation networks"
    return f"both drawn at once by {network}"


def _files(facts: SetFacts) -> str:
    labels = ", ".join(f"{value} {name}" for name, value in facts.labels.items())
    rows = [
        ("`images/`, `masks/`", "PNG of equal names; masks are 0 or 255"),
        (
            f"`{facts.nnunet}/`",
            "the same in nnU-Net's raw layout (version 2): `imagesTr/`, `labelsTr/` "
            f"({labels}), `dataset.json`",
        ),
        ("`manifest.json`", "provenance and hash of each pair"),
    ]
    return to_markdown(("File", "What it holds"), rows)


def _making(provenance: SetManifest) -> str:
    synthesis = provenance.synthesis
    return (
        "A DCGAN whose images have two channels, image and mask (Neff et al. 2017; "
        "software: tfgansynth), was trained on real pairs. Of what it drew, masks were "
        f"thresholded at {synthesis.mask_threshold}, their largest connected "
        f"components kept (at most {provenance.mask_components}) and holes filled. "
        "Pairs with an empty mask were dropped, and images whose perceptual hash "
        "differs from an earlier one's in at most "
        f"{synthesis.hash_distance} of 64 bits." + _changes(provenance)
    )


def _changes(provenance: SetManifest) -> str:
    """What was done besides the paper's steps, if anything was."""
    text = ""
    if provenance.gan.latent_codes:
        text += (
            " The generator has learned a latent code for each training case, which "
            "reproduces that case; pairs are drawn from mixtures of codes. The audit "
            "below says whether any pair is too close to a case."
        )
    if provenance.pseudo_labels:
        text += (
            " The masks are not the generator's: they are the mean prediction of "
            f"{len(provenance.pseudo_labels)} U-Nets, trained with classical "
            "augmentation on the same cases."
        )
    if provenance.synthesis.augment != "none":
        text += " Each pair was augmented once, image and mask together."
    return text


def _numbers(provenance: SetManifest) -> str:
    rows = [
        ("Pairs drawn", provenance.drawn),
        ("Dropped as almost identical", provenance.dropped_as_almost_identical),
        ("Dropped for an empty mask", provenance.dropped_for_an_empty_mask),
        ("Seed of the noise", provenance.z_seed),
    ]
    if provenance.min_agreement is not None:
        label = "Dropped for disagreement with the out-of-fold ensemble"
        rows.append((label, provenance.dropped_for_disagreement))
    if provenance.audited_manifest_sha256:
        dropped = len(provenance.dropped_by_the_audit)
        rows.append(("Dropped by the audit for copies", dropped))
    return to_markdown(("", ""), rows)
