"""Config files by name: `image_folder` is the package's `image_folder.py`, and a path stays a path.

An installed package has its configs inside itself; a checkout has them in `configs/` beside it.
"""

from __future__ import annotations

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """The folder of the package's configs."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def names() -> tuple[str, ...]:
    """The names of the package's configs, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.py") if path.stem != "__init__"))


def file(value: str) -> str:
    """The file of a value of `--config`, with the argument after its colon.

    Args:
        value: the name of one of ours or a path, and perhaps `:ARGUMENT`. A name goes before a file of that name.
    """
    name, colon, argument = value.partition(":")
    return f"{folder() / name}.py{colon}{argument}" if name in names() else value


def shortest(value: str) -> str:
    """The shortest text for a file with its argument: the name of one of the package's configs, or the path."""
    path, colon, argument = value.partition(":")
    is_ours = Path(path).resolve().parent == folder() and Path(path).stem in names()
    return f"{Path(path).stem if is_ours else path}{colon}{argument}"


def suggestion(value: str) -> str:
    """A suggestion, in words, for the name of a config that does not exist."""
    close = difflib.get_close_matches(Path(value.partition(":")[0]).stem, names(), n=2, cutoff=0.6)
    known = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{known}the project's own are {', '.join(names())}"
