"""The segmentation of all photos below a folder, except those that have masks already.

An existing mask is kept: one with the same settings was made by an earlier start, and one that this command did not
write is the user's. No other state is kept, so the command may be interrupted at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax.data import image_check, photo_file, photo_limits
from jdnet_jax.data.folder_walk import files_below, is_photo_name, shown
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.wording import counted
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import SIGN_OF_LIFE, duration, say
from jdnet_jax.segment import mask_file, rule
from jdnet_jax.segment.mask_file import Origin
from jdnet_jax.segment.report import FAILED, OWN, Entry, Report
from jdnet_jax.segment.segmenter import Segmenter


def segment_folder(photos: Path, masks: Path, segmenter: Segmenter, on_empty: str, jobs: int) -> Report:
    """Makes the masks that are missing.

    Args:
        photos: the folder; all photos below it count.
        masks: where the masks go, each at its photo's path below `photos`.
        segmenter: the backend.
        on_empty: see `rule.replacement`.
        jobs: number of photos to work on at a time.

    Raises:
        UserError: no photos, two with one name for their masks, masks of other settings in the way, or no room.
    """
    places = _places(photos, masks)
    settings = {**segmenter.settings, "on_empty": on_empty}
    entries = {photo: entry for photo, place in places.items() if (entry := _done(photo, place, photos, settings))}
    missing = [photo for photo in places if photo not in entries]
    say(f"{counted(len(places), 'photo')} below {photos}: {len(entries)} have a mask, {len(missing)} to do")
    mask_file.make_folder(masks)

    def one(photo: Path) -> Entry:
        return _segmented(photo, places[photo], photos, segmenter, settings)

    started = time.monotonic()
    with photo_limits.quiet_pillow():
        for photo, entry in zip(missing, _with_progress(one, missing, jobs), strict=True):
            entries[photo] = entry
    return Report(
        photos=photos,
        masks=masks,
        settings=settings,
        versions=segmenter.versions,
        entries=tuple(entries[photo] for photo in places),
        made=len(missing),
        seconds=time.monotonic() - started,
    )


def check(photos: Path, masks: Path) -> None:
    """Checks the two folders before a backend is loaded.

    Raises:
        UserError: there is no folder of photos, or the masks would lie among them.
    """
    if not photos.is_dir():
        raise UserError(f"--input={photos} is not a folder; name the one that holds the photos")
    if masks.resolve().is_relative_to(photos.resolve()):
        raise UserError(f"--output={masks} lies in --input={photos}, among the photos: choose a folder beside it")


def _places(photos: Path, masks: Path) -> dict[Path, Path]:
    """Each photo with the path of its mask."""
    check(photos, masks)
    places: dict[Path, Path] = {}
    photo_at: dict[Path, Path] = {}
    for photo in filter(is_photo_name, files_below(photos)):
        place = mask_file.place(photo, photos, masks)
        if place in photo_at:
            raise UserError(
                f"{photo_at[place]} and {photo} would have the same mask, {place}: rename one of the photos"
            )
        places[photo], photo_at[place] = place, photo
    if not places:
        raise UserError(f"--input={photos} holds no photos")
    return places


def _done(photo: Path, place: Path, photos: Path, settings: Mapping[str, Any]) -> Entry | None:
    """The entry of an existing mask; None if the mask must be made."""
    if not place.exists():
        return None
    name, origin = shown(photo, photos), mask_file.read_origin(place)
    if origin is None:
        return Entry(name, OWN, None, mask_file.area(place))
    if origin.settings != settings:
        changed = sorted(key for key in {*settings, *origin.settings} if settings.get(key) != origin.settings.get(key))
        told = ", ".join(f"{key}={origin.settings.get(key)}" for key in changed)
        raise UserError(f"{place} was made with {told}: use the same settings to go on, or choose another --output")
    if origin.photo_bytes != _size(photo):
        return None
    return Entry(name, origin.verdict, origin.found, origin.area)


def _segmented(photo: Path, place: Path, photos: Path, segmenter: Segmenter, settings: Mapping[str, Any]) -> Entry:
    name = shown(photo, photos)
    try:
        pixels = image_check.decode(photo_file.record_of(photo))
    except UnreadablePhotoError as error:
        place.unlink(missing_ok=True)  # of the photo that was here before
        return Entry(name, FAILED, None, None, str(error))
    mask = segmenter.segment(pixels)
    share = float(mask.mean())
    verdict = rule.verdict(share, segmenter.least, segmenter.reach)
    if verdict != rule.SEGMENTED:
        instead = rule.replacement(settings["on_empty"], *mask.shape)
        if instead is None:
            place.unlink(missing_ok=True)  # of the photo that was here before
            return Entry(name, verdict, share, None)
        mask = instead
    area = float(mask.mean())
    mask_file.write(place, mask, Origin(settings, verdict, share, area, _size(photo)))
    return Entry(name, verdict, share, area)


def _size(photo: Path) -> int:
    """Bytes of a file; -1 where it is gone."""
    try:
        return photo.stat().st_size
    except OSError:
        return -1


def _with_progress(one: Callable[[Path], Entry], photos: Sequence[Path], jobs: int) -> Iterator[Entry]:
    """The entries in order; reports progress every half minute, and each failure."""
    began = told = time.monotonic()
    for done, entry in enumerate(in_order(one, photos, jobs), start=1):
        if entry.verdict == FAILED:
            say(f"{entry.photo}: {entry.problem}")
        now = time.monotonic()
        if now - told >= SIGN_OF_LIFE and done < len(photos):
            rate = done / (now - began)
            left = duration((len(photos) - done) / rate)
            say(f"photo {done} of {len(photos)} ({done / len(photos):.0%})  {rate:.1f} photos/s  ETA {left}")
            told = now
        yield entry
