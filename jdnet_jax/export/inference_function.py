"""The function that exported files compute, from the pixels of photos to probabilities and an activation map."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from jdnet_jax.config import views
from jdnet_jax.export.fold_batch_norm import Folded, fold
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import flax_runner


@dataclasses.dataclass(frozen=True, eq=False)  # compared by identity, because jit needs a hash
class InferenceFunction:
    """The function of `flax_runner.forward`, for a network without BatchNorm.

    Attributes:
        card: the model card.
        network: the student; nothing else of its training is in it.
    """

    card: ModelCard
    network: Folded

    def __call__(
        self, images: Shaped[Array, "batch size size 3"], mask: Shaped[Array, "batch size size 1"] | None = None
    ) -> tuple[Float[Array, "batch classes"], Float[Array, "batch h w"]]:
        """Probabilities after the temperature, and the class activation map of the most probable class.

        Args:
            images: RGB in [0, 255], of any dtype.
            mask: for a model of `roi+context`: 0 for the context, anything else for the region of interest, which is
                cut out here.
        """
        logits, activation = self.logits(images, mask)
        return jax.nn.softmax(logits / np.float32(self.card.temperature)), activation

    def logits(
        self, images: Shaped[Array, "batch size size 3"], mask: Shaped[Array, "batch size size 1"] | None = None
    ) -> tuple[Float[Array, "batch classes"], Float[Array, "batch h w"]]:
        """Logits before the temperature in place of probabilities."""
        mean, std = np.asarray(self.card.mean, np.float32), np.asarray(self.card.std, np.float32)
        pixels = images.astype(jnp.float32)
        if mask is not None:
            pixels = views.seen(pixels, (mask.astype(jnp.float32) > 0).astype(jnp.float32), self.card.view)
        # A product, which converters fold into the first convolution.
        outputs = self.network((pixels - mean) * (1 / std))
        return outputs.scores, outputs.activation(jnp.argmax(outputs.scores, -1).astype(jnp.int32))

    @property
    def inputs(self) -> dict[str, int]:
        """The names of its arguments, with their channels."""
        return {"image": 3, "mask": 1} if self.card.view == views.BOTH else {"image": 3}


def create(card: ModelCard, variables: Mapping[str, PyTree], name: object) -> InferenceFunction:
    """The function of a hand-off. It computes in float32, whatever the student was trained in.

    Args:
        card: the model card.
        variables: its `params` and `batch_stats`.
        name: name of the model, for messages.

    Raises:
        UserError: the zoo has no such network.
    """
    card = dataclasses.replace(card, dtype="float32")
    return InferenceFunction(card, fold(flax_runner.create(card, name), variables, card.image_size))
