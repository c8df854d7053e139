"""Sends a folder to the Hugging Face hub, as one commit."""

from __future__ import annotations

import os
from pathlib import Path

from jdnet_jax import __version__
from jdnet_jax.models import hub
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import Progress

#: Files of an earlier push that are deleted where this one lacks them: they would be of another student.
_OURS = ["student*", "*.model.json", "*SHA256SUMS"]


def check_package() -> None:
    """Checks early that the package is there that writes the page and sends the files.

    Raises:
        UserError: it is not.
    """
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise UserError("pushing needs the package huggingface_hub: pip install 'jdnet-jax[hub]'") from error


def token() -> str:
    """The token from HF_TOKEN; files are not searched for one.

    Raises:
        UserError: it is not set.
    """
    value = os.environ.get("HF_TOKEN", "")
    if not value:
        raise UserError(
            "HF_TOKEN is not set: make a token that may write at https://huggingface.co/settings/tokens, and give it "
            "in the environment of this command"
        )
    return value


def send(repository: str, folder: Path, token: str, *, private: bool) -> str:
    """Creates the repository if necessary, and commits the folder's files to it.

    Args:
        repository: `OWNER/NAME`.
        folder: the folder to send.
        token: a token that may write there.
        private: whether a new repository is seen by its owner alone.

    Returns:
        the address of the commit.

    Raises:
        UserError: the hub refuses it, or cannot be reached.
    """
    with hub.explained(repository):
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        api = HfApi(token=token, library_name="jdnet_jax", library_version=__version__)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with Progress(1, 1).alive(f"sending {size / 1e6:,.1f} MB to {api.endpoint}"):
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message=f"A student of jdnet_jax {__version__}",
                delete_patterns=_OURS,
            )
    return str(commit.commit_url)
