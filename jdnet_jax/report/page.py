"""`report.html`: one file that shows a run, finished or not, and needs no network."""

from __future__ import annotations

from importlib import resources

from markupsafe import Markup

from jdnet_jax import __version__
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError
from jdnet_jax.report import activation_maps, curves, headline, mistakes, reliability, run_record, setting
from jdnet_jax.report.run_record import RunRecord
from jdnet_jax.run.workdir import Workdir

# The policy keeps the page from loading anything, whatever a class or a folder is called.
_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="generator" content="jdnet_jax {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>
<p>{path}</p>
<nav aria-label="sections"><a href="#figures">figures</a> <a href="#curves">curves</a> \
<a href="#maps">activation maps</a> <a href="#mistakes">mistakes</a> <a href="#calibration">calibration</a> \
<a href="#setting">data and config</a></nav></header>
<main>{sections}</main>
<script>{script}</script>
</body>
</html>
""")


def write(place: Workdir) -> None:
    """Reads a workdir and replaces its `report.html`.

    Raises:
        UserError: it is no workdir, a file of it is damaged, or the page could not be written.
    """
    run = run_record.read(place)
    try:
        text = of_run(run)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # The files were read, and do not fit together: of a run that is not finished nothing else tells.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UserError(f"no report of {place.path}: its files do not fit together ({reason})") from error
    atomic.write_text(place.report, text)


def of_run(run: RunRecord) -> str:
    """The page."""
    made = (headline, curves, activation_maps, mistakes, reliability, setting)
    return _PAGE.format(
        version=__version__,
        title=f"{run.config['recipe']} on {run.config['dataset']['name']}, seed {run.config['seed']}",
        path=str(run.path),
        style=_own("style.css"),
        script=_own("sort.js"),
        sections=Markup("").join(part.section(run) for part in made),
    )


def _own(name: str) -> Markup:
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
