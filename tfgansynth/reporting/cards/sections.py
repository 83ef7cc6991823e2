"""What both cards say: phantoms, provenance, terms, citation."""

from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.records.provenance import GeneratorProvenance
from tfgansynth.reporting.grids import bullets, to_markdown

_CITATION = r"""@inproceedings{neff2017generative,
  title     = {Generative Adversarial Network based Synthesis for Supervised Medical
               Image Segmentation},
  author    = {Neff, Thomas and Payer, Christian and {\v{S}}tern, Darko and
               Urschler, Martin},
  booktitle = {Proceedings of the OAGM \& ARW Joint Workshop},
  year      = {2017}
}"""


def license_fields(provenance: GeneratorProvenance) -> dict[str, str]:
    """The license as front matter: none of the Hub's list is ours to give."""
    if provenance.dataset.is_phantom:
        return {"license": "other"}
    return {"license": "other", "license_name": "terms-of-the-source-data"}


def loud_line(provenance: GeneratorProvenance) -> list[str]:
    """The first paragraph: that it comes from phantoms; none if it does not."""
    if not provenance.dataset.is_phantom:
        return []
    return [
        f"> **{PHANTOM_WARNING}. Nothing here says anything about patients; it shows "
        "that the program works.**"
    ]


def target(provenance: GeneratorProvenance) -> str:
    """What the masks show."""
    lungs = provenance.lungs
    return "both lungs" if lungs == "both" else f"the {lungs} lung"


def source_table(provenance: GeneratorProvenance) -> str:
    """The table of the data and the run."""
    dataset = provenance.dataset
    kind = (
        "built-in phantoms: procedural images, not patients"
        if dataset.is_phantom
        else "images of patients"
    )
    rows = [
        ("Data", f"{dataset.name}, {dataset.n_cases} cases ({kind})"),
        ("Data hash", dataset.sha256),
        ("Target", f"lungs: {provenance.lungs}"),
        (
            "Trained on",
            f"{len(provenance.training_cases)} cases of fold {provenance.fold}",
        ),
        ("Duplicates across the split", f"{len(provenance.duplicates)}, as allowed"),
        (
            "Preset, seed, step",
            f"{provenance.preset}, {provenance.seed}, {provenance.step}",
        ),
        ("Weights' hash", provenance.generator_sha256),
    ]
    return to_markdown(("", ""), rows)


def terms(provenance: GeneratorProvenance, what: str) -> str:
    """Whose terms bind it.

    Args:
        provenance: What it came from.
        what: "set" or "model".
    """
    if provenance.dataset.is_phantom:
        return (
            f"No patient's data went into this {what}: the phantoms are drawn by a "
            "program, and bound by no terms but its own."
        )
    name = provenance.dataset.name
    return (
        f"The terms of the data set bind this {what} too: it was learned from images "
        f"of patients ({name}), and may hold parts of them. Whoever hands it on must "
        "know these terms and keep them, before all those on redistribution, on "
        "commercial use and on attempts to identify a patient; they are not known to "
        "this program."
    )


def training_cases(provenance: GeneratorProvenance) -> str:
    """All cases that the generator has learned from, with hashes of their contents."""
    rows = [(name, f"`{sha256}`") for name, sha256 in provenance.training_cases.items()]
    return to_markdown(("Case", "SHA-256 of its pixels at this size"), rows)


def remarks(found: tuple[str, ...]) -> list[str]:
    """Render remarks as a list; nothing without any."""
    return [bullets(f"REMARK: {remark}" for remark in found)] if found else []


def citation() -> str:
    """The paper that the method is from."""
    return f"```bibtex\n{_CITATION}\n```"
