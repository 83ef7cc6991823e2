"""The page itself: everything that is shown, put into the template."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING
from tfgansynth.reporting.html.answered import shown_rows
from tfgansynth.reporting.html.figures import learning_curve
from tfgansynth.reporting.html.forms import form_of
from tfgansynth.reporting.html.making import machines, seeds, settings, timing
from tfgansynth.reporting.html.results import result_tables
from tfgansynth.reporting.html.study import Study, read_study
from tfgansynth.reporting.html.synthetic import assessed_sets, set_pictures
from tfgansynth.reporting.html.training import gan_curves, unet_curves
from tfgansynth.runtime import storage

REPORT = "report.html"
"""The page, in the folder that it tells of."""


def write_report(folder: Path) -> Path:
    """Write the page of a run or a study into its folder.

    Args:
        folder: A run folder of one seed, or the study folder of several.

    Returns:
        The page's path.

    Raises:
        InputError: It is no such folder, or a file is missing or damaged.
    """
    study = read_study(folder)
    path = folder / REPORT
    with form_of(folder):
        html = render(study)
    storage.write_text(path, html)
    return path


def render(study: Study) -> str:
    """Render the page of a study; the same study gives the same text."""
    environment = Environment(
        loader=PackageLoader("tfgansynth.reporting.html", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        study=study,
        evidence=study.evidence,
        config=study.runs[0].config,
        seeds=seeds(study),
        phantom_warning=PHANTOM_WARNING,
        headings=METRIC_HEADINGS,
        tables=result_tables(study),
        curve=study.curve and learning_curve(study.curve, "learning-curve"),
        sets=assessed_sets(study.folds),
        pictures=[set_pictures(fold) for fold in study.folds],
        shown=shown_rows(study),
        gan_curves=gan_curves(study.folds),
        unet_curves=unet_curves(study),
        settings=settings(study),
        machines=[(run.name, machines(run)) for run in study.runs],
        timings=[timing(run) for run in study.runs],
    )
