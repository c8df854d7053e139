"""Finds a user's Parquet files and the split of each, in the layouts of the Hugging Face hub.

`train-00000-of-00003.parquet`, `data/train-*.parquet`, `train.parquet`, `default/train/0000.parquet` (how the hub
itself converts data sets) and `train/anything.parquet`: the split is in a file's name, or else in the name of its
folder. The words are those of Hugging Face's `datasets`: train, training; validation, valid, val, dev; test, testing,
eval, evaluation.
"""

from __future__ import annotations

import dataclasses
import glob
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from jdnet_jax.data.folder_walk import files_below
from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError

SPLITS = ("train", "validation", "test")
SUFFIX = ".parquet"

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_WORD = re.compile(r"[a-z]+")


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of each split, and the files that belong to no split although others do."""

    splits: Mapping[str, tuple[Path, ...]]
    others: tuple[Path, ...] = ()


def find(data_dir: str) -> Files:
    """The files that `data_dir` names. Where none of them tells its split, all are train's.

    Args:
        data_dir: a file, a folder (searched in full), or globs with commas between.

    Raises:
        UserError: there is no such file, a name names two splits, train is not there, or a folder holds several sets.
    """
    if not data_dir:
        raise UserError(
            "dataset.data_dir is empty: name a Parquet file, a folder of them as the Hugging Face hub has it, or globs"
        )
    path = Path(data_dir)
    if path.is_dir():
        files = [file for file in files_below(path) if file.name.endswith(SUFFIX) and file.is_file()]
        what = f"the folder dataset.data_dir={data_dir!r} holds no file that ends in {SUFFIX}"
        _refuse_several(path, files)
    elif path.is_file():
        files = [path]
    else:
        patterns = [pattern.strip() for pattern in data_dir.split(",") if pattern.strip()]
        files = sorted({Path(name) for pattern in patterns for name in glob.glob(pattern, recursive=True)})
        files = [file for file in files if file.is_file()]
        what = f"dataset.data_dir={data_dir!r} is neither a file nor a folder, nor a glob of files that there are"
    if not files:
        raise UserError(what)
    return _divided(files, root=path if path.is_dir() else None, data_dir=data_dir)


def _divided(files: list[Path], root: Path | None, data_dir: str) -> Files:
    splits: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        splits[_split_of(file, root)].append(file)
    others = tuple(splits.pop("", ()))
    if not splits:
        return Files({"train": others})
    if "train" not in splits:
        raise UserError(
            f"dataset.data_dir={data_dir!r} has no file with train in its name; it has "
            f"{listed([f.name for f in files])}"
        )
    return Files({split: tuple(splits[split]) for split in SPLITS if split in splits}, others)


def _split_of(file: Path, root: Path | None) -> str:
    """The split that a file's name or folder names; '' if none."""
    folder = "" if file.parent == root else file.parent.name
    for name in (file.stem, folder):
        told = {_WORDS[word] for word in _WORD.findall(name.lower()) if word in _WORDS}
        if len(told) > 1:
            raise UserError(f"the name {name} of {file} names two splits, {' and '.join(sorted(told))}: rename it")
        if told:
            return told.pop()
    return ""


def _refuse_several(root: Path, files: list[Path]) -> None:
    """Refuses several configurations: a data set of the hub may have some, each in a folder with all splits."""
    folders = set()
    for file in files:
        parts = file.relative_to(root).parts[:-1]
        folders.add("/".join(parts[:-1] if parts and _split_of(file.parent, file.parent.parent) else parts))
    if len(folders) > 1:
        raise UserError(
            f"dataset.data_dir={str(root)!r} holds several data sets, in the folders "
            f"{listed(sorted(folder or '.' for folder in folders))}: name one of them"
        )
