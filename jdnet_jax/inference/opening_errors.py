"""Errors of opening an exported file, each as one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.errors import UserError


@contextlib.contextmanager
def explained(path: Path, format_name: str, needs: str = "") -> Iterator[None]:
    """A context that turns errors into one line each.

    Args:
        path: the file or folder that is opened in the context.
        format_name: name of its format, such as `TFLite file`.
        needs: the package that runs it and the extra with it, such as `LiteRT: pip install ...`; '' where it comes with
            the base package.

    Raises:
        UserError: the file cannot be read, is damaged, or what runs it is not installed.
    """
    try:
        yield
    except ImportError as error:
        if not needs:
            raise
        raise UserError(f"{path}: running it needs {needs}") from error
    except Exception as error:  # parsers raise anything at a damaged file; the runtimes' errors have no common class
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{path} cannot be read ({error.strerror})") from error
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is no {format_name} of this project, or damaged ({reason}): export it again"
        ) from error


def check_classes(classes: int, card: ModelCard) -> None:
    """Compares the number of a file's classes with that of its card.

    Raises:
        ValueError: they differ.
    """
    if classes != len(card.classes):
        raise ValueError(f"it has {classes} classes, not {len(card.classes)}")
