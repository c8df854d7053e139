"""Looks at a folder of photos before training: `python -m jdnet_jax.check PHOTOS`.

Prints what training would see: classes and photos, the splits, unreadable photos, files that are left out, photos that
are nearly the same, sizes, and how precisely the test photos can measure an accuracy. The page `--output` shows all of
it, and the first batch of training with its augmentation. Nothing is trained; the photos are prepared for training,
which then begins at once.

The exit status is 0, or 2 where training would refuse the config or the photos; the last line says why, as there.
"""

from __future__ import annotations

import sys

from absl import flags, logging

from jdnet_jax.files import user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable
from jdnet_jax.process.progress import show

command_line.define_config("The config that would be trained; image_folder where only PHOTOS are named.")
flags.declare_key_flag("config")
_OUTPUT = flags.DEFINE_string("output", "check.html", "The page to write.")


def main(argv: list[str]) -> int:
    """Looks, prints, writes the page, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: the folder of photos comes first, then options")
    if not flags.FLAGS["config"].present:
        raise UserError(f"name the folder of your photos: {command_line.shown('check')} PHOTOS")
    config = command_line.required_config()
    command_line.log_warnings_only()
    logging.set_verbosity(logging.ERROR)  # what preparing the photos warns of is told here in full
    command_line.set_up_libraries()

    from jdnet_jax.check import folder, page
    from jdnet_jax.learning import run_check

    run_check.check(config)
    result = folder.look(config)
    show("\n".join(folder.text(result)))
    output = user_files.expanded(_OUTPUT.value)
    page.write(result, config, output)
    show(f"page: {printable(output)}")
    return 0


if __name__ == "__main__":
    sys.argv = command_line.with_photos(sys.argv)  # where the config's flags look for themselves
    command_line.run(main)
