"""Makes the report of a run: `python -m jdnet_jax.report --workdir=runs/demo`.

It is one page, `report.html` in the workdir, that needs no network: figures, curves, mistakes, calibration, activation
maps, data, config and command. A finished run has it already; this makes it again, also during a run.
"""

from __future__ import annotations

from absl import flags

from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show
from jdnet_jax.run.workdir import Workdir

_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder.")


def main(argv: list[str]) -> int:
    """Writes the report, prints where it is, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: name the run as --workdir={argv[1]}")
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: name the folder of a run, such as --workdir=runs/demo")
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.report import page

    place = Workdir(_WORKDIR.value)
    page.write(place)
    show(str(place.report))
    return 0


if __name__ == "__main__":
    command_line.run(main)
