"""The model card of an exported generator, in the form of the Hugging Face Hub."""

import dataclasses
from pathlib import Path
from typing import Any

from tfgansynth.records.generators import FreezingFigures, GeneratorFacts
from tfgansynth.reporting.cards.findings import CardFindings, findings_of_generator
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
from tfgansynth.runtime.progress import duration


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
    name, settings = provenance.dataset.name, dataclasses.asdict(provenance.gan)
    metadata = {
        **license_fields(provenance),
        "library_name": "keras",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "dcgan", "medical", "segmentation", "synthetic", "tfgansynth"],
        "datasets": [name],
    }
    parts = [
        "# Generator of (image, mask) pairs",
        *loud_line(provenance),
        "## Model details",
        "The generator of a DCGAN whose images have two channels, image and mask (Neff "
        "et al. 2017): it draws a grey image of "
        f"{facts.size} x {facts.size} px and the mask of {target(provenance)} in it at "
        "once. Software: tfgansynth, in TensorFlow and Keras.",
        source_table(provenance),
        _files(),
        "## Intended use",
        bullets(
            (
                "Drawing synthetic training pairs for segmentation networks, beside or "
                "in place of real ones, in research.",
                "Comparing generators of this kind.",
            )
        ),
        "## Out of scope",
        bullets(
            (
                "Diagnosis, or any decision about a patient.",
                "Testing a segmentation network: a result on synthetic pairs is none "
                "on patients.",
                "Training a network on what this generator draws, and testing it on a "
                "case of the list below.",
                "Recovering training images, or identifying patients.",
            )
        ),
        "## Training data",
        f"{len(provenance.training_cases)} cases of {name}, fold "
        f"{provenance.fold}; no other case went into any weight. (The fold's "
        "validation cases were compared with samples during training, for people to "
        "see.)",
        training_cases(provenance),
        terms(provenance, "model"),
        "## Training procedure",
        f"{provenance.step} mini-batches of {provenance.gan.batch} pairs; preset "
        f"`{provenance.preset}`, seed {provenance.seed}. All settings, which the "
        "software's `--help` explains:",
        to_markdown(("Setting", "Value"), map(_setting, settings.items())),
        *remarks(findings.remarks),
        "## How to get started",
        _start(facts),
        "## Evaluation",
        "### Assessment of what it draws",
        findings.assessment,
        "### Segmentation networks trained on it",
        findings.evaluation,
        "## Limits",
        _limits(facts.freezing),
        "## Environmental",
        _environment(facts),
        "## Citation",
        citation(),
    ]
    return "\n\n".join([front_matter(metadata), *parts]) + "\n"


def _files() -> str:
    return (
        "`generator/` has a SavedModel, which runs without this package. A SavedModel "
        "is a program: load only those from people you trust. "
        "`generator/generator.safetensors` has the same weights and no program. "
        "`generator.keras` is for Keras with this package."
    )


def _setting(item: tuple[str, Any]) -> tuple[str, str]:
    name, value = item
    many = isinstance(value, tuple | list)
    return f"`gan.{name}`", ", ".join(map(str, value)) if many else str(value)


def _start(facts: GeneratorFacts) -> str:
    size, z_dim = facts.size, facts.provenance.gan.z_dim
    return f"""With TensorFlow, in the folder that holds `generator/`:

```python
import numpy as np
import tensorflow as tf

model = tf.saved_model.load("generator")
drawn = model.signatures["sample"](
    seed=tf.constant(1, tf.int64), count=tf.constant(16))
z = np.random.default_rng(1).uniform(-1, 1, (4, {z_dim})).astype(np.float32)
pairs = model.signatures["serving_default"](z=tf.constant(z))["pairs"]
```

- `drawn["images"]`, `drawn["masks"]`: uint8 (count, {size}, {size}). Masks are grey, as
  generated: threshold them at 150, keep the largest components, fill holes.
- `z`: float32 (n, {z_dim}), uniform in [-1, 1]. `pairs`: float32 (n, {size}, {size}, 2)
  in [-1, 1]; channel 0 image, channel 1 mask.

With tfgansynth, `tools/synthesize.py --generator generator` draws a whole set."""


def _limits(report: FreezingFigures) -> str:
    return bullets(
        (
            "Training normalizes by the moments of each batch. Here they are frozen at "
            f"those of {report.n_population} noise vectors, so that one z gives one "
            f"image. On {report.n_compared} z the two differ by "
            f"{report.image_difference:.2f} of 255 grey levels on average; "
            f"{report.mask_agreement:.2%} of mask pixels agree.",
            "No figure here proves that these pairs help another segmentation network, "
            "or that no training case can be recognized in them.",
            "What is rare among so few cases is rarer still in what is drawn, or "
            "missing.",
            "Synthetic images are no basis for a diagnosis.",
        )
    )


def _environment(facts: GeneratorFacts) -> str:
    took = "unknown" if facts.seconds is None else duration(facts.seconds)
    rows = [("Time of training", took)]
    for attempt, machine in facts.machines:
        packages = ", ".join(f"{n} {v}" for n, v in machine.versions.items())
        rows += [
            (f"From step {attempt.after}", machine.processor),
            ("GPUs", ", ".join(machine.gpus) or "none"),
            ("Threads", str(machine.threads)),
            ("Number format", attempt.precision),
            ("Versions", packages),
            ("Commit", machine.commit or "unknown"),
        ]
    rows.append(("Energy, carbon", "not measured"))
    return to_markdown(("", ""), rows)
