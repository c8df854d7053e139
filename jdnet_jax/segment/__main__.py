"""Masks of the food for photos that have none: `python -m jdnet_jax.segment --input=PATH/photos --output=PATH/masks`.

Each photo below the input gets a mask of its size at the same path below the output, ending in .png: greyscale, 255
where the food is. `grabcut` needs OpenCV (the extra `[segment]`) and works offline; `sam`, Segment Anything, needs
torch (the extra `[sam]`). Both only assume that food is in the middle of a photo.

The same command continues an interrupted one, and skips masks that exist. A mask that is empty or covers almost
everything is replaced as --on_empty says. `segmentation.json` beside the masks has the result for each photo.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jdnet_jax.files import user_files
from jdnet_jax.inference.cpus import available
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.interruption import EXIT_STATUS
from jdnet_jax.process.progress import say, show

if TYPE_CHECKING:
    from jdnet_jax.segment.segmenter import Segmenter

_BACKEND = flags.DEFINE_enum("backend", "grabcut", ("grabcut", "sam"), "What finds the food.")
_INPUT = flags.DEFINE_string("input", None, "The folder of the photos.")
_OUTPUT = flags.DEFINE_string("output", None, "The folder for the masks, outside of the input.")
_ON_EMPTY = flags.DEFINE_enum(
    "on_empty",
    "centre",
    ("centre", "whole", "skip"),
    "For a mask that is empty or of almost everything: an ellipse of 38 % of the photo, the whole photo, or no mask.",
)
_JOBS = flags.DEFINE_integer("jobs", None, "grabcut: photos at a time; as many as there are CPUs.", lower_bound=1)
_MARGIN = flags.DEFINE_float(
    "margin",
    0.05,
    "Of a photo's sides: grabcut looks for nothing nearer to the edges; sam's box begins there.",
    lower_bound=0.0,
    upper_bound=0.15,
)
_WORKING_SIZE = flags.DEFINE_integer(
    "working_size", 192, "grabcut: longer side in pixels to which photos are shrunk.", lower_bound=32
)
_ITERATIONS = flags.DEFINE_integer("iterations", 2, "grabcut: turns of colour models and cut.", lower_bound=1)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "facebook/sam-vit-base", "sam: a repository of the Hugging Face hub, or a folder."
)
_PROMPT = flags.DEFINE_enum("prompt", "centre", ("centre", "box", "grid"), "sam: the photo's centre, a box, or a grid.")
_POINTS = flags.DEFINE_integer("points", 8, "sam: points of a side of the grid.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print the counts as one JSON object.")

_OF_ONE = {"grabcut": (_JOBS, _WORKING_SIZE, _ITERATIONS), "sam": (_CHECKPOINT, _PROMPT, _POINTS)}


def main(argv: list[str]) -> int:
    """Segments and prints, and returns the exit status."""
    photos, masks = _asked(argv)
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.segment import work

    work.check(photos, masks)
    jobs = (_JOBS.value or available()) if _BACKEND.value == "grabcut" else 1
    try:
        report = work.segment_folder(photos, masks, _segmenter(), _ON_EMPTY.value, jobs)
    except KeyboardInterrupt:
        say(f"interrupted: what is in {masks} is whole, and the same command goes on from there")
        return EXIT_STATUS
    report.write()
    counts = report.counts()
    show(json.dumps(counts) if _JSON.value else report.text())
    if counts["failed"]:
        raise UserError(f"{counts['failed']} of {counts['photos']} photos could not be read; the lines above name them")
    return 0


def _asked(argv: list[str]) -> tuple[Path, Path]:
    """The folders of photos and masks, after the checks of the flags."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: name the folder of the photos as --input={argv[1]}")
    if not _INPUT.value or not _OUTPUT.value:
        missing = (_OUTPUT if _INPUT.value else _INPUT).name
        raise UserError(f"--{missing} is missing: give --input=PHOTOS --output=MASKS, two folders")
    for backend, of_backend in _OF_ONE.items():
        for flag in of_backend:
            if flag.present and backend != _BACKEND.value:
                raise UserError(f"--{flag.name} belongs to --backend={backend}, not to {_BACKEND.value}: leave it out")
    if _MARGIN.present and _BACKEND.value == "sam" and _PROMPT.value != "box":
        raise UserError("--margin belongs to --backend=grabcut and --prompt=box: add --prompt=box, or leave it out")
    if _POINTS.present and _PROMPT.value != "grid":
        raise UserError("--points belongs to --prompt=grid: add it, or leave --points out")
    return user_files.expanded(_INPUT.value), user_files.expanded(_OUTPUT.value)


def _segmenter() -> Segmenter:
    if _BACKEND.value == "grabcut":
        from jdnet_jax.segment.grabcut import GrabCut

        return GrabCut(_MARGIN.value, _ITERATIONS.value, _WORKING_SIZE.value)
    from jdnet_jax.segment import sam

    return sam.load(_CHECKPOINT.value, _PROMPT.value, _MARGIN.value, _POINTS.value)


if __name__ == "__main__":
    command_line.run(main)
