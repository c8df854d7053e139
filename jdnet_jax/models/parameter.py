"""The type of a network's parameters."""

from __future__ import annotations

import jax
import numpy as np

#: JAX's arrays in training and prediction. In an export NumPy's, which the traced program holds as constants: what a
#: layer does with a parameter alone, such as a change of its layout, is then done once and is no operation of the file.
Parameter = jax.Array | np.ndarray
