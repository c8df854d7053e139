"""Joint training of a large teacher and a small mobile student for food recognition, in JAX and Flax.

`jdnet_jax.load("runs/mine")` opens a trained student: see `jdnet_jax.inference.student`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jdnet_jax.inference.student import Student

__version__ = "0.1.0"


def load(path: str | os.PathLike[str]) -> Student:
    """Opens a trained student: a workdir, a hand-off (`student/`), an exported file, or `hf-hub:OWNER/NAME`.

    See `inference.student`.

    JAX and TensorFlow are imported here and not with the package.

    Raises:
        UserError: there is nothing, or it cannot be used; says why.
    """
    from jdnet_jax.process import command_line

    command_line.set_up_libraries()

    from jdnet_jax.inference import student

    return student.load(path)
