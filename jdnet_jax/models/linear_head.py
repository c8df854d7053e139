"""The head of most networks: global average pooling and one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.layers import Classifier, Dropout
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.parameter import Parameter


def linear_head(
    network: nn.Module,
    maps: Float[Array, "batch height width channels"],
    taps: Sequence[Float[Array, "batch _ _ _"]],
    name: str,
    *,
    train: bool,
) -> Outputs:
    """The outputs of a network with a linear head: logits are a linear layer of the float32 mean over positions.

    Call it in the network's compact method: the layers become modules of the network.

    Args:
        network: has `num_classes`, `drop_rate` and `data_axis`, for Dropout before the linear layer.
        maps: the last feature maps.
        taps: the feature maps of the stages.
        name: name of the linear layer.
        train: whether Dropout drops anything.
    """
    features = jnp.mean(maps, (1, 2), dtype=jnp.float32)
    logits, kernel = classify(network, features, name, train=train)
    return Outputs(logits=logits, stages=tuple(taps), maps=maps, kernel=kernel)


def classify(
    network: nn.Module, features: Float[Array, "batch channels"], name: str, *, train: bool
) -> tuple[Float[Array, "batch classes"], Float[Parameter, "channels classes"] | None]:
    """Dropout and the linear layer, see `linear_head`: the logits, and the kernel that made them.

    A network with 0 classes has no linear layer: its logits are the features, as in timm.
    """
    features = Dropout(network.drop_rate, network.data_axis)(features, train=train)
    if network.num_classes == 0:
        return features.astype(jnp.float32), None
    logits, kernel = Classifier(network.num_classes, name=name)(features)
    return logits, kernel
