"""Runs exported weights, a `.safetensors` file with timm's names, in the network of the zoo that its card names."""

from __future__ import annotations

from pathlib import Path

from jdnet_jax import models
from jdnet_jax.files import checksums
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.flax_runner import FlaxRunner
from jdnet_jax.models import hub
from jdnet_jax.process.errors import UserError

#: The weights of a student that was pushed to the hub; its card and the sums of both lie beside.
WEIGHTS = hub.FILE_NAME


def load(path: Path, card: ModelCard) -> FlaxRunner:
    """Opens the file.

    Raises:
        UserError: it cannot be read, or holds other tensors than the card's network has.
    """
    variables = models.load_pretrained(
        card.model,
        str(path),
        len(card.classes),
        image_size=card.image_size,
        fresh_classifier=False,
        **dict(card.options),
    )
    return FlaxRunner(card, variables, path)


def is_pushed(folder: Path) -> bool:
    """Whether a folder holds a student as `push` sends it."""
    return all((folder / name).is_file() for name in (WEIGHTS, model_card.FILE_NAME))


def load_pushed(folder: Path) -> FlaxRunner:
    """Opens a student as `push` sends it, after checking that it is as it was sent.

    Raises:
        UserError: it was changed, or as `load`.
    """
    card = model_card.read(folder / model_card.FILE_NAME)
    sums.check(folder)
    runner = load(folder / WEIGHTS, card)
    if card.sha256 and sha256(runner.variables) != card.sha256:
        raise UserError(
            f"{folder / WEIGHTS} holds other weights than {model_card.FILE_NAME} describes: download it again"
        )
    return runner


def downloaded(source: str) -> Path:
    """The folder of a student on the hub, downloaded where it is not in the cache.

    Args:
        source: `hf-hub:OWNER/NAME`, see `hub.is_id`.

    Raises:
        UserError: it cannot be downloaded, is not a student of this project, or has changed since it was pushed.
    """
    if not hub.is_id(source):
        raise UserError(
            f"{source} is not a repository of the hub: write hf-hub:OWNER/NAME, with @REVISION where wanted"
        )
    folder = hub.download_files(source, [WEIGHTS, model_card.FILE_NAME, checksums.NAME])
    if not is_pushed(folder):
        raise UserError(
            f"{source} has no {WEIGHTS} with a {model_card.FILE_NAME}, as a student of this project: its weights alone "
            f"are for config.student.init={source}"
        )
    return folder
