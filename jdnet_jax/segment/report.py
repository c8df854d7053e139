"""The report of a segmentation: lines for people, and `segmentation.json` beside the masks."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jdnet_jax.data.wording import counted, listed
from jdnet_jax.files import atomic
from jdnet_jax.process.progress import duration
from jdnet_jax.segment import rule

FILE_NAME = "segmentation.json"

#: Verdicts beside those of `rule`: the photo could not be read; the mask was there and is the user's.
FAILED, OWN = "failed", "own"


@dataclasses.dataclass(frozen=True)
class Entry:
    """The result for one photo.

    Attributes:
        photo: its path below the folder, with slashes.
        verdict: `segmented`, `empty` or `full` (see `rule`), `failed` or `own`.
        found: the share of the photo that the backend marked; None where it was not asked.
        area: the share that the mask marks; None where there is no mask.
        problem: why the photo could not be read; '' where it could.
    """

    photo: str
    verdict: str
    found: float | None
    area: float | None
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """The report of a finished segmentation.

    Attributes:
        photos: the folder of the photos.
        masks: the folder of the masks.
        settings: settings of the backend and the rule.
        versions: versions of the libraries.
        entries: one a photo, in the order of the paths.
        made: number of photos that this start worked on.
        seconds: seconds that this took.
    """

    photos: Path
    masks: Path
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    entries: tuple[Entry, ...]
    made: int
    seconds: float

    def counts(self) -> dict[str, int]:
        """The numbers of photos, of each verdict, and of photos without a mask."""
        of = Counter(entry.verdict for entry in self.entries)
        verdicts = (rule.SEGMENTED, rule.EMPTY, rule.FULL, OWN, FAILED)
        without = sum(entry.area is None for entry in self.entries)
        return {"photos": len(self.entries), **{name: of[name] for name in verdicts}, "without_mask": without}

    def write(self) -> None:
        """Writes `segmentation.json` into the folder of the masks.

        Raises:
            UserError: it could not be written.
        """
        content = {
            "backend": self.settings["backend"],
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "photos_below": str(self.photos),
            "counts": self.counts(),
            "made": self.made,
            "seconds": self.seconds,
            "photos": {entry.photo: _plain(entry) for entry in self.entries},
        }
        atomic.write_text(self.masks / FILE_NAME, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def text(self) -> str:
        """The lines for people."""
        counts = self.counts()
        areas = sorted(entry.area for entry in self.entries if entry.verdict == rule.SEGMENTED and entry.area)
        lines = [f"{counted(counts['photos'], 'photo')} below {self.photos}, masks in {self.masks}"]
        if self.made:
            lines[0] += f"; {self.made} of them worked on in {duration(self.seconds)}"
        lines.append(f"  segmented: {counts[rule.SEGMENTED]}")
        if areas:
            low, middle, high = (areas[round(share * (len(areas) - 1))] for share in (0.05, 0.5, 0.95))
            lines[-1] += f", {middle:.0%} of the photo in the median, {low:.0%} to {high:.0%} in nine of ten"
        for verdict, meaning in ((rule.EMPTY, "nothing was found"), (rule.FULL, "all was marked")):
            if counts[verdict]:
                names = [entry.photo for entry in self.entries if entry.verdict == verdict]
                lines.append(f"  {verdict}, {meaning}, {_INSTEAD[self.settings['on_empty']]}: {_counted(names)}")
        if counts[OWN]:
            names = [entry.photo for entry in self.entries if entry.verdict == OWN]
            lines.append(f"  left as they were, not made by this command: {_counted(names)}")
        if counts[FAILED]:
            names = [entry.photo for entry in self.entries if entry.verdict == FAILED]
            lines.append(f"  could not be read: {_counted(names)}")
        return "\n".join(lines)


_INSTEAD = {
    rule.CENTRE: "the central ellipse instead",
    rule.WHOLE: "the whole photo instead",
    rule.SKIP: "no mask was written",
}


def _counted(names: list[str]) -> str:
    return f"{len(names)} ({listed(names, 5)})"


def _plain(entry: Entry) -> dict[str, Any]:
    plain = dataclasses.asdict(entry)
    del plain["photo"]
    if not entry.problem:
        del plain["problem"]
    return plain
