"""The section on the setting: data, config, and the command that repeats the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.report import html
from jdnet_jax.report.run_record import RunRecord
from jdnet_jax.run.workdir import plain


def section(run: RunRecord) -> Markup:
    """Data, command and config; the values that are not the defaults stand first."""
    default = dict(_flat(plain(config_lib.default())))
    values = dict(_flat(run.config))
    changed = {key: value for key, value in values.items() if key not in default or default[key] != value}
    rest = {key: value for key, value in values.items() if key not in changed}
    return html.section(
        "setting",
        "Data, config and command",
        html.paragraph(f"Data: {run.protocol or 'not prepared yet'}"),
        _command(run),
        html.table("Values of the config that are not the defaults", ["key", "value"], _rows(changed)),
        html.details(f"The other {len(rest)} values", html.table("Defaults", ["key", "value"], _rows(rest))),
    )


def _command(run: RunRecord) -> Markup:
    if not run.command:
        return html.paragraph(
            "The run was started from Python: jdnet_jax.train.train_and_evaluate(config, workdir) with these values."
        )
    return Markup(
        '<p>To repeat this run (with another <code>--workdir</code>):</p><div class="command">'
        '<pre><code>{}</code></pre><button type="button" hidden>Copy</button></div>'
    ).format(run.command)


def _rows(values: Mapping[str, Any]) -> list[list[object]]:
    return [[key, str(value) if value != "" else '""'] for key, value in sorted(values.items())]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
