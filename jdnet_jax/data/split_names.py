"""Usual names of the folders of train, val and test, and of folders that are not classes."""

from __future__ import annotations

import re
from collections.abc import Collection

from jdnet_jax.data.wording import listed

SPLITS = ("train", "val", "test")

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {
    f"{name}{end}": split
    for split, names in _NAMES.items()
    for name in names
    for end in ("", "_set", "-set", " set", "set", "_data", "_images")
}

# What also says so, beside a number or the words below: `train2017`, `images_val`, `testA`, `minival`.
_WORDS = {
    **{name: split for split, names in _NAMES.items() for name in names},
    **{name: split for split, names in _NAMES.items() for first in names for name in (f"{first}s", f"{first}set")},
    **{"trn": "train", "trainval": "train", "minitrain": "train", "trainsets": "train"},
    **{"validate": "val", "devel": "val", "development": "val", "minival": "val"},
    **{"tst": "test", "holdout": "test", "heldout": "test", "testdev": "test"},
}
_FILLER = re.compile(
    r"""sets? | split | data(set)? | images? | imgs? | photos? | pictures? | jpe?g | all | full | new | old | public
    | private | final | clean | raw | labell?ed | labels? | class(es)? | list | csv | version""",
    re.VERBOSE,
)
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")

_PART = re.compile(r"(fold|split|part|subset|batch|chunk|shard)[\W_]*\d+", re.IGNORECASE)

_IMAGES = re.compile(r"images? | imgs? | photos? | pictures? | jpegimages | rgb | inputs?", re.VERBOSE)
_MASKS = re.compile(
    r"masks? | annotations? | labels? | seg(mentation(s|class|object)?)? | ground_?truth | gt | targets?", re.VERBOSE
)


def split_of(folder: str) -> str | None:
    """The split that a folder of this name holds; None where the name is not usual for a split."""
    return _SPLIT_OF.get(folder.lower())


def no_classes(folders: Collection[str]) -> str | None:
    """The reason why folders of these names are not classes, a phrase that begins with the names; None if they may be.

    Args:
        folders: names of all folders in which there are photos.
    """
    resembling: dict[str, list[str]] = {}
    for name in sorted(folders):
        if split := resembled(name):
            resembling.setdefault(split, []).append(name)
    if "train" in resembling and len(resembling) > 1:
        names = [name for members in resembling.values() for name in members]
        return f"{listed(names)}, by their names parts of a division and no classes: name them train, val and test"
    if len(folders) > 1 and all(map(_PART.fullmatch, folders)):
        return f"{listed(sorted(folders))}, by their names parts of the data and no classes: put them into one"
    lower = {name.lower() for name in folders}
    images, masks = (set(filter(kind.fullmatch, lower)) for kind in (_IMAGES, _MASKS))
    if images and masks and lower == images | masks:
        return (
            f"{listed(sorted(folders))}, by their names photos with masks and no classes: dataset.name=masked_folder "
            "reads such"
        )
    return None


def held_out_among(folders: Collection[str]) -> str | None:
    """A name of val or test among the folders of classes that nobody would use for a class."""
    kept = sorted(name for name in folders if split_of(name) in ("val", "test") and name.lower() not in ("dev", "eval"))
    return kept[0] if kept and len(kept) < len(folders) else None


def resembled(name: str) -> str | None:
    """The split that the name of a folder or list resembles, if the name says nothing else."""
    words = [word.lower() for word in _WORD.findall(name)]
    words = [word for word in words if len(word) > 1 and not _FILLER.fullmatch(word)]
    return _WORDS.get(words[0]) if len(words) == 1 else None
