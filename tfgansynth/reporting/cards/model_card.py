"""The model card of an exported generator, in the form of the Hugging Face Hub."""

import dataclasses
from pathlib import Path

from tfgansynth.records.provenance import GeneratorFacts
from tfgansynth.reporting.cards.findings import CardFindings, findings_of_generator
from tfgansynth.reporting.cards.front_matter import front_matter, license_fields
from tfgansynth.reporting.rendering import render


def generator_card(root: Path, facts: GeneratorFacts) -> str:
    """Render the card of a generator with all that its run has found.

    Args:
        root: The run folder.
        facts: The generator.

    Raises:
        InputError: A result was altered or is of another version.
    """
    provenance = facts.provenance
    found = findings_of_generator(root, provenance.fold, provenance)
    return model_card(facts, found)


def model_card(facts: GeneratorFacts, findings: CardFindings) -> str:
    """Render the card."""
    provenance = facts.provenance
    metadata = {
        **license_fields(provenance.dataset),
        "library_name": "keras",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "medical", "segmentation", "synthetic", "tfgansynth"],
        "datasets": [provenance.dataset.name],
    }
    card = render(
        "model_card.md.jinja",
        front_matter=front_matter(metadata),
        facts=facts,
        provenance=provenance,
        settings=dataclasses.asdict(provenance.gan),
        findings=findings,
    )
    return f"{card}\n"
