"""Weights from the Hugging Face hub, such as timm's: downloaded once, by the package `huggingface_hub`.

The package keeps them in its cache (HF_HOME), which other programs share, and takes them from there if the hub cannot
be reached. It downloads to a temporary file, retries a broken transfer, and renames the file when it has the announced
size. HF_ENDPOINT names another server, HF_TOKEN is for private repositories.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import Progress, say

FILE_NAME = "model.safetensors"

_ID = re.compile(r"(?:hf-hub:(?P<any>[\w.-]+/[\w.-]+)|(?P<timm>timm/[\w.-]+))(?:@(?P<revision>[\w./-]+))?")


def is_id(source: str) -> bool:
    """Whether a source of weights is written as a repository of the hub.

    That is `timm/NAME`, or `hf-hub:OWNER/NAME` for any owner (`OWNER/NAME` alone would be taken for a path), each with
    `@REVISION` for another revision than the newest.
    """
    return _ID.fullmatch(source) is not None


def check(source: str) -> None:
    """Checks that the hub, or its cache on this machine, has the weights; nothing is downloaded.

    Raises:
        UserError: the package is not installed, or the weights cannot be downloaded.
    """
    _call(source, dry_run=True)


def download(source: str) -> Path:
    """The file of a repository's weights, downloaded where it is not in the cache, with lines on standard error.

    Args:
        source: the repository, see `is_id`.

    Raises:
        UserError: the package is not installed, there is no such repository or it has no `model.safetensors`, or the
            hub cannot be reached.
    """
    about = _call(source, dry_run=True)
    if not about.will_download:
        return Path(_call(source))
    say(f"downloading {source} ({about.file_size / 1e6:,.1f} MB) ...")
    with Progress(1, 1).alive(f"downloading {source}"):
        path = _call(source)
    say(f"downloaded {source} to {path}")
    return Path(path)


def download_files(source: str, names: Sequence[str]) -> Path:
    """A folder with these files of a repository, all of one commit, downloaded where they are not in the cache.

    Args:
        source: `hf-hub:OWNER/NAME`, see `is_id`.
        names: file names; one that the repository lacks is skipped.

    Raises:
        UserError: as `download`, except for missing files.
    """
    with explained(source):
        import huggingface_hub
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        repository, revision = _parts(source)
        with Progress(1, 1).alive(f"downloading {source}"):
            return Path(
                huggingface_hub.snapshot_download(
                    repository, revision=revision, allow_patterns=list(names), token=_token()
                )
            )


def _call(source: str, **options: Any) -> Any:
    """`hf_hub_download` of the weights."""
    with explained(source):
        import huggingface_hub

        repository, revision = _parts(source)
        download: Callable[..., Any] = huggingface_hub.hf_hub_download
        return download(repository, FILE_NAME, revision=revision, token=_token(), **options)


def _parts(source: str) -> tuple[str, str | None]:
    match = _ID.fullmatch(source)
    assert match is not None
    return match["any"] or match["timm"], match["revision"]


def _token() -> str | bool:
    """The token from HF_TOKEN in the environment, never one that another program left in a file."""
    return os.environ.get("HF_TOKEN") or False


@contextlib.contextmanager
def explained(source: str) -> Iterator[None]:
    """A context that turns errors of the hub into one line.

    Raises:
        UserError: instead of what `huggingface_hub` and its HTTP client raise, or where it is not installed.
    """
    try:
        from huggingface_hub import constants, errors
    except ImportError as error:
        raise UserError(f"{source} is on the Hugging Face hub: pip install 'jdnet-jax[hub]'") from error
    where = constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError as error:
        reason = "its owner gives access on request only: ask there, and set HF_TOKEN"
        raise UserError(f"{source}: {reason}") from error
    except errors.RepositoryNotFoundError as error:
        reason = f"{where} has no such repository, or a private one (HF_TOKEN): is the name spelled right?"
        raise UserError(f"{source}: {reason}") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{source}: the repository has no such revision") from error
    except errors.LocalEntryNotFoundError as error:
        cause = _one_line(error.__cause__ or error)
        raise UserError(
            f"{source}: {where} cannot be reached ({cause}) and the files are not in the cache of this machine: "
            "check the network and run again, or give the path of a file"
        ) from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"{source}: the repository has no {FILE_NAME}; only that is loaded from the hub") from error
    # What a broken transfer raises depends on the HTTP client that the package uses, which is not always the same.
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise UserError(f"{source}: {where} does not let HF_TOKEN do this (status {status})") from error
        raise UserError(f"{source}: the transfer failed: {_one_line(error)}: run again") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
