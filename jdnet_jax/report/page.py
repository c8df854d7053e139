"""`report.html`: one file that shows a run, finished or not, and needs no network."""

from __future__ import annotations

from jdnet_jax.files import atomic, checksums
from jdnet_jax.process.errors import UserError
from jdnet_jax.report import activation_maps, curves, headline, html, mistakes, reliability, run_record, setting
from jdnet_jax.report.run_record import RunRecord
from jdnet_jax.run.workdir import Workdir

# Anchor, word in the navigation, and what makes the section.
_PARTS = (
    ("figures", "figures", headline),
    ("curves", "curves", curves),
    ("maps", "activation maps", activation_maps),
    ("mistakes", "mistakes", mistakes),
    ("calibration", "calibration", reliability),
    ("setting", "data and config", setting),
)


def write(place: Workdir) -> None:
    """Reads a workdir and replaces its `report.html`.

    Raises:
        UserError: it is no workdir, a file of it is damaged, or the page could not be written.
    """
    run = run_record.read(place)
    try:
        text = of_run(run)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if run.summary is not None and (place.path / checksums.NAME).exists():
            raise  # its files are as it left them, so the mistake is the report's
        # The files can be read but do not fit together; an unfinished run has no checksums that would tell which.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UserError(f"no report of {place.path}: its files do not fit together ({reason})") from error
    atomic.write_text(place.report, text)


def of_run(run: RunRecord) -> str:
    """The page."""
    title = f"{run.config['recipe']} on {run.config['dataset']['name']}, seed {run.config['seed']}"
    return html.document(title, str(run.path), [(at, word, part.section(run)) for at, word, part in _PARTS])
