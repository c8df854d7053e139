"""A site as a folder that any web server serves, under any address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from jdnet_jax.demo import site as site_lib
from jdnet_jax.demo.site import Asset
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError


def write(site: Mapping[str, Asset], folder: Path) -> None:
    """Writes the files aside and puts the folder in place whole, instead of an earlier one of the same kind.

    Raises:
        UserError: something else lies there or in it, or it cannot be written; what was there is untouched.
    """
    folder = folder.absolute()
    if folder.exists():
        _check_replaceable(folder)
    try:
        with atomic.replaced_folder(folder) as aside:
            for name, asset in site.items():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                (aside / name).write_bytes(asset.content)
    except OSError as error:
        raise UserError(f"--export={folder} cannot be written ({error.strerror}): choose another place") from error


def _check_replaceable(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    try:
        ours = json.loads((folder / site_lib.DESCRIPTION).read_text(encoding="utf-8"))["files"]
        ours = {*ours, site_lib.INDEX, site_lib.RUNTIME}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--export={folder} exists and was not written by this command: choose another name") from None
    if others := sorted(path.name for path in folder.iterdir() if path.name not in ours):
        raise UserError(f"--export={folder} holds {others[0]}, which this command did not write: choose another name")
