"""The check of a folder of photos before training: classes, splits and problems, as `image_folder` sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.data import Dataset, datasets, image_folder
from jdnet_jax.data.folder_examination import Examination
from jdnet_jax.data.folder_listing import SPLITS
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.figures import imbalance, intervals
from jdnet_jax.process.errors import UserError

_ROWS = 20  # classes on the screen, at most; the page has all


@dataclass(frozen=True)
class Finding:
    """A problem in the photos that the user should know about.

    Attributes:
        what: the problem, with a count.
        advice: what it means, or what to do.
        names: the files or folders.
    """

    what: str
    advice: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class FolderCheck:
    """The result of a check.

    Attributes:
        dataset: prepared, as training would have it.
        counts: class -> split -> photos.
        facts: sentences on the split, the sizes and the test.
        findings: the worst first.
    """

    dataset: Dataset
    counts: Mapping[str, Mapping[str, int]]
    facts: tuple[str, ...]
    findings: tuple[Finding, ...]


def look(config: ConfigDict) -> FolderCheck:
    """Reads the folder and prepares its photos for training.

    Raises:
        UserError: the config has another dataset than a folder of photos, or training would refuse the photos.
    """
    builder = datasets.create(config.dataset)
    if not isinstance(builder, image_folder.ImageFolder):
        raise UserError(
            f"check examines folders of photos, but dataset.name of this config is {config.dataset.name!r}: choose "
            "a config of 'image_folder'"
        )
    examination = image_folder.examine(builder.builder_config)
    dataset = data.prepare(config.dataset)
    of_split = {split: Counter(photo.class_name for photo in photos) for split, photos in examination.divided.items()}
    counts = {name: {split: of_split[split][name] for split in SPLITS} for name in examination.listing.class_names}
    split = "; ".join(image_folder.how_divided(examination.listing, examination.divided, builder.builder_config))
    few = dataset.sizes["test"] < intervals.ENOUGH_PHOTOS
    facts = (
        *([f"split: {split}"] if split else []),
        smallest(counts),
        sizes([print_.size for print_ in examination.fingerprints.values()]),
        exactness(dataset.sizes["test"]),
        *([f"few for a test: {intervals.advice(dataset.name)}"] if few else []),
    )
    suspicions = [*unlike_classes(counts), *findings(examination, config.image_size)]
    return FolderCheck(dataset, counts, facts, tuple(suspicions))


def smallest(counts: Mapping[str, Mapping[str, int]]) -> str:
    """The class with the fewest training photos, in words.

    Args:
        counts: class -> split -> photos.

    >>> smallest({"egg": {"train": 3}, "fig": {"train": 3}})
    'every class has 3 photos to train on'
    """
    name = min(counts, key=lambda name: counts[name]["train"])
    photos = counted(counts[name]["train"], "photo")
    if len({row["train"] for row in counts.values()}) == 1:
        return f"every class has {photos} to train on"
    return f"smallest class: {name}, with {photos} to train on"


def unlike_classes(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """The finding that some classes have many more training photos than others.

    Args:
        counts: class -> split -> photos.
    """
    compared = imbalance.of_classes(tuple(counts), np.array([row["train"] for row in counts.values()]))
    if compared.matters:
        yield Finding(f"imbalance: {compared}", imbalance.ADVICE, (compared.smallest,))


def findings(examination: Examination, image_size: int) -> Iterator[Finding]:
    """The problems of the photos, and the reasons why a test on them would be unreliable.

    Args:
        examination: examination of the folder.
        image_size: `config.image_size`; smaller photos are enlarged.
    """
    if examination.unreadable:
        names = tuple(f"{path} ({reason})" for path, reason in sorted(examination.unreadable.items()))
        yield Finding(f"{counted(len(names), 'photo')} cannot be read", "left out of training; repair them", names)
    if several := examination.under_several_classes():
        names = tuple(" = ".join(paths) for paths in several)
        yield Finding(
            f"{counted(len(names), 'photo')} under several classes", "all but one of the labels must be wrong", names
        )
    for across, where, advice in (
        (
            True,
            "in two splits",
            "a test on them measures memorisation; remove one of each pair, or divide the photos by hand",
        ),
        (
            False,
            "in one split",
            "fewer distinct photos than the count says; in a pair of two classes one label is wrong",
        ),
    ):
        if pairs := examination.nearly_the_same(across=across):
            names = tuple(f"{one} ({a}) = {other} ({b})" for (a, one), (b, other) in pairs)
            yield Finding(f"{counted(len(names), 'pair')} of nearly the same photo {where}", advice, names)
    if others := examination.listing.others:
        yield Finding(
            f"{counted(len(others), 'other file')} left out", "not a photo, or not in the folder of a class", others
        )
    if empty := examination.listing.empty:
        yield Finding(f"{counted(len(empty), 'empty class folder')} left out", "put photos in, or remove them", empty)
    small = tuple(
        f"{path} ({print_.size[1]} x {print_.size[0]})"
        for path, print_ in sorted(examination.fingerprints.items())
        if min(print_.size) < image_size
    )
    if small:
        advice = f"their shorter side is below config.image_size = {image_size}"
        yield Finding(f"{counted(len(small), 'photo')} to be enlarged", advice, small)


def sizes(heights_and_widths: list[tuple[int, int]]) -> str:
    """The sizes of photos in words; at least one."""
    by_area = sorted(heights_and_widths, key=lambda size: size[0] * size[1])
    low, high = (f"{width} x {height}" for height, width in (by_area[0], by_area[-1]))
    middle = int(np.median([min(size) for size in by_area]))
    return f"sizes: {low} to {high} pixels; half of the photos have {middle:,} or more on their shorter side"


def exactness(photos: int) -> str:
    """The precision, in words, with which a number of test photos can measure the accuracy.

    >>> exactness(16)
    'test: with 16 of 16 photos right the accuracy (95 % interval) is 81 to 100 %, with 13 right it is 57 to 93 %'
    """
    ranges = []
    for hits in (photos, round(0.8 * photos)):
        low, high = intervals.wilson(hits, photos)
        ranges.append(f"{100 * low:.3g} to {100 * high:.3g} %")
    return (
        f"test: with {photos:,} of {photos:,} photos right the accuracy (95 % interval) is {ranges[0]}, with "
        f"{round(0.8 * photos):,} right it is {ranges[1]}"
    )


def text(check: FolderCheck) -> list[str]:
    """The lines for the screen."""
    total = {split: sum(row[split] for row in check.counts.values()) for split in SPLITS}
    lines = [f"{sum(total.values()):,} photos of {len(check.counts)} classes"]
    rows = sorted(check.counts.items(), key=lambda item: sum(item[1].values()))
    shown = rows if len(rows) <= _ROWS else rows[: _ROWS // 2]
    width = max(len(name) for name, _ in shown)
    lines.append(f"  {'':<{width}}  {'train':>7} {'val':>7} {'test':>7}")
    lines += [f"  {name:<{width}}  {' '.join(f'{row[split]:7,}' for split in SPLITS)}" for name, row in shown]
    if len(shown) < len(rows):
        lines.append(f"  and {len(rows) - len(shown)} classes with more photos, which the page lists")
    lines.append(f"  {'all':<{width}}  {' '.join(f'{total[split]:7,}' for split in SPLITS)}")
    lines += check.facts
    lines += [f"{one.what} ({one.advice}): {listed(one.names)}" for one in check.findings]
    if not check.findings:
        lines.append("nothing suspicious was found")
    return lines
