"""Predicts the classes of photos: `python -m jdnet_jax.predict --model=runs/demo photo.jpg folder/ *.webp`.

The model is a workdir, a hand-off (`student/`), an exported file or `hf-hub:OWNER/NAME`. Each photo gets its `--top`
most probable classes, with `--csv=FILE` also in a table for a spreadsheet, one photo per line, and with `--overlay=DIR`
a picture that shows where the model looked. A folder means all photos below it. "Not sure" means
that a photo may be of none of the classes: few of val's photos have such a low probability (`config.not_sure`;
`summary.json` has the cost). A model that looks at the food and its surroundings apart (RveRNet) needs `--mask`: the
mask of the food as an 8-bit PNG, 0 where it is not, or a folder with `<photo's name>.png` for each photo, which may lie
below folders as the photos do.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from jdnet_jax.files import atomic, user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable
from jdnet_jax.process.progress import say, show

if TYPE_CHECKING:
    from jdnet_jax.inference.photos import Photo
    from jdnet_jax.inference.runner import Runner

_MODEL = flags.DEFINE_string("model", None, "A workdir, a hand-off, an exported file, or hf-hub:OWNER/NAME.")
_OVERLAY = flags.DEFINE_string("overlay", None, "A folder for pictures of where the model looked, one per photo.")
_MASK = flags.DEFINE_string("mask", None, "For a model of a region of interest: the food's mask, or a folder of masks.")
_CSV = flags.DEFINE_string("csv", None, "A file for the answers as a table, one line per photo; written at the end.")
_TOP = flags.DEFINE_integer("top", 5, "How many classes to tell of each photo.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object for each photo, a line each.")

_SURE = {True: "yes", False: "no", None: ""}  # in a table
_BATCH = 32  # photos that are run together, and whose pictures are in memory


def main(argv: list[str]) -> int:
    """Predicts and prints, and returns the exit status."""
    if not _MODEL.value:
        raise UserError("--model is missing: name a workdir, a hand-off (student/) or an exported file")
    if len(argv) < 2:
        raise UserError(
            f"name photos, or folders of photos: {command_line.shown('predict')} --model=... photo.jpg folder/"
        )
    folder = user_files.expanded(_OVERLAY.value) if _OVERLAY.value else None
    if folder is not None:
        _make(folder)
    table = user_files.expanded(_CSV.value) if _CSV.value else None
    if table is not None and (table.is_dir() or not table.absolute().parent.is_dir()):
        raise UserError(f"--csv={table} cannot be written: name a file in a folder that there is")
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.figures import rejection
    from jdnet_jax.inference import open as opening
    from jdnet_jax.inference import overlay, photos

    runner = opening.open_model(_MODEL.value)
    paths = photos.find(argv[1:])
    size = overlay.PICTURE_SIZE if folder is not None else 0
    destinations = overlay.destinations(paths, folder) if folder is not None else [None] * len(paths)
    bad = unsure = 0
    rows: list[list[str]] = []
    masks = user_files.expanded(_MASK.value) if _MASK.value else None
    read = photos.read(paths, runner.card, picture_size=size, masks=masks)
    for (photo, probabilities, activation), destination in zip(_predicted(runner, read), destinations, strict=True):
        if destination is not None and activation is None:
            raise UserError(
                f"{_MODEL.value} gives no activation map, which --overlay draws: name the run, or export with "
                "--outputs=probabilities+activation"
            )
        if photo.problem:
            bad += 1
            _print_problem(photo)
            rows.append([printable(photo.path), photo.problem, ""])
            continue
        top = _top(probabilities, runner.card.classes)
        if photo.picture is not None and destination is not None and activation is not None:
            overlay.save(overlay.draw(photo.picture, activation, *top[0], runner.card), destination)
        sure = runner.card.is_sure(top[0][1])
        unsure += sure is False
        _print(photo, top, sure, destination)
        answers = (part for name, probability in top for part in (name, f"{probability:.6f}"))
        rows.append([printable(photo.path), "", _SURE[sure], *answers])
    if table is not None:
        atomic.write_text(table, _as_csv(rows, min(_TOP.value, len(runner.card.classes))))
    if unsure and len(paths) > 1:
        limit = rejection.limit(runner.card.not_sure_below)
        say(f"not sure of {unsure} of {len(paths) - bad} photos: the most probable class is below {limit}")
    if bad:
        raise UserError(f"{bad} of {len(paths)} photos could not be read; the lines above say why")
    return 0


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--overlay={folder} cannot be made ({error.strerror}): choose another folder") from error


def _predicted(runner: Runner, photos: Iterable[Photo]) -> Iterator[tuple[Photo, np.ndarray, np.ndarray | None]]:
    """Each photo with its probabilities and its activation map (if the model has one); empty if it has no view."""
    photos = iter(photos)
    while batch := list(itertools.islice(photos, _BATCH)):
        views = [photo.view for photo in batch if photo.view is not None]
        answers = runner.run(np.stack(views)).each() if views else iter(())
        for photo in batch:
            yield (photo, *(next(answers) if photo.view is not None else (np.empty(0), np.empty((0, 0)))))


def _top(probabilities: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """The most probable classes, best first; among equals the model's order decides."""
    order = np.argsort(-probabilities, kind="stable")[: _TOP.value]
    return [(classes[i], float(probabilities[i])) for i in order]


def _as_csv(rows: Iterable[Sequence[str]], top: int) -> str:
    """A table of the answers.

    Args:
        rows: for each photo its path, its problem, whether the model is sure ('' where unknown), then class and
            probability, the most probable first.
        top: number of classes in a row.
    """
    answers = (f"{what}_{rank}" for rank in range(1, top + 1) for what in ("class", "probability"))
    heads = ["photo", "problem", "sure", *answers]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heads, *([*row, *[""] * (len(heads) - len(row))] for row in rows)])
    return text.getvalue()


def _print(photo: Photo, top: Sequence[tuple[str, float]], sure: bool | None, overlay: Path | None) -> None:
    if _JSON.value:
        answer: dict[str, Any] = {"photo": str(photo.path)}
        answer["top"] = [{"class": name, "probability": probability} for name, probability in top]
        answer["sure"] = sure
        if overlay is not None:
            answer["overlay"] = str(overlay)
        print(json.dumps(answer), flush=True)
        return
    lines = [printable(photo.path) + (": not sure, perhaps" if sure is False else "")]
    lines += [f"  {probability:7.2%}  {printable(name)}" for name, probability in top]
    if overlay is not None:
        lines.append(f"  overlay: {printable(overlay)}")
    show("\n".join(lines))


def _print_problem(photo: Photo) -> None:
    if _JSON.value:
        print(json.dumps({"photo": str(photo.path), "error": photo.problem}), flush=True)
    say(f"{printable(photo.path)}: {photo.problem}")


if __name__ == "__main__":
    command_line.run(main)
