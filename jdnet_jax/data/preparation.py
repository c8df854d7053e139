"""Preparation of a TFDS dataset, once for all processes that ask for it at the same time."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging as absl_logging

from jdnet_jax.data import builders, prepared
from jdnet_jax.files import lock
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

# Warnings of TFDS that a user cannot act upon.
_TFDS_CHATTER = ("Using custom data configuration", "Variant folder", "`FeatureConnector.dtype` is deprecated")


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keeps TFDS's informational messages out of the log; progress bars, other warnings and errors stay."""

    def worth_logging(record: logging.LogRecord) -> bool:
        if "tensorflow_datasets" not in record.pathname:
            return True
        return record.levelno >= logging.WARNING and not record.getMessage().startswith(_TFDS_CHATTER)

    logger = absl_logging.get_absl_logger()
    logger.addFilter(worth_logging)
    try:
        yield
    finally:
        logger.removeFilter(worth_logging)


# No network, a full disk, a broken archive, a changed file at the source, a manual download that is not there.
_CANNOT_BE_HAD = (
    OSError,
    tf.errors.OpError,
    RuntimeError,  # how TFDS passes on what stopped a writer
    tfds.download.DownloadError,
    tfds.download.extractor.ExtractError,
    tfds.download.download_manager.NonMatchingChecksumError,
    AssertionError,
)


def prepared_once(create: Callable[[], tfds.core.DatasetBuilder]) -> tfds.core.DatasetBuilder:
    """The builder, its data downloaded and prepared once for all processes.

    TFDS writes into a temporary directory and renames it when it is complete, so an interrupted preparation never looks
    finished. The lock keeps processes of one machine from doing the same work twice; between machines that share a file
    system the first rename wins and the others use its result.

    Args:
        create: makes the builder; called again for what another process may have prepared meanwhile.

    Raises:
        UserError: the data cannot be had.
    """
    builder = create()
    if builder.is_prepared():
        return builder
    with locked(builder.data_path):
        try:
            made = create()
            made.download_and_prepare()
            prepared.seal(Path(made.data_path))
        except _CANNOT_BE_HAD as error:
            if not create().is_prepared():
                raise UserError(
                    f"dataset {builder.name} could not be prepared in {builder.data_path}: {builders.first_line(error)}"
                ) from error
    return create()  # restores what the preparation (of any process) wrote


@contextlib.contextmanager
def locked(data_path: os.PathLike[str]) -> Iterator[None]:
    """Holds the lock of a folder against other processes of this machine; says so where it has to wait."""
    digest = hashlib.sha256(os.fspath(data_path).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"jdnet_jax-{os.getuid()}-{digest}.lock"
    with lock.held(path, lambda: say(f"another process is preparing {data_path}; waiting for it")):
        yield
