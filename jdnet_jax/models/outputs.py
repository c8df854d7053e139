"""Outputs of the networks of the zoo, with the class activation map."""

from __future__ import annotations

import flax.struct
import jax.numpy as jnp
from jax import nn
from jaxtyping import Array, Float

from jdnet_jax.models import lowering
from jdnet_jax.models.labels import FullLabels, shares
from jdnet_jax.models.parameter import Parameter
from jdnet_jax.models.pointwise import EXACT


@flax.struct.dataclass
class HiddenLayer:
    """A layer between global average pooling and the last linear layer (as in MobileNetV3).

    `logits = f(mean(maps, (1, 2)) @ kernel) @ Outputs.kernel + bias`, where f works on each hidden unit separately
    (normalisation, bias and activation).

    Attributes:
        maps: the feature maps that the head averages.
        kernel: the layer's weight, float32.
        slopes: the derivative of f for each example, float32. BatchNorm's statistics count as constants.
        before: another such layer between the averaged maps and this one; None where this one follows the averaging.
    """

    maps: Float[Array, "batch height width channels"]
    kernel: Float[Parameter, "channels hidden"]
    slopes: Float[Array, "batch hidden"]
    before: HiddenLayer | None = None

    def pull_back(self, gradient: Float[Array, "batch hidden"]) -> Float[Array, "batch channels"]:
        """The gradient with respect to the averaged maps, from that with respect to the layer's output."""
        weighted = gradient * self.slopes
        if lowering.is_plain():
            # A matrix product would get a second copy of the kernel, transposed; this takes the convolution's kernel.
            inner = jnp.sum(weighted[:, :, None] * self.kernel.T[None], 1)
        else:
            inner = jnp.matmul(weighted, self.kernel.T, precision=EXACT)
        return inner if self.before is None else self.before.pull_back(inner)


@flax.struct.dataclass
class Outputs:
    """One forward pass of a network over a batch.

    Attributes:
        logits: class scores before the softmax, always float32; of a network without a classifier its features.
        stages: one feature map (NHWC, compute dtype) for each entry of `module.stages`, shallow to deep.
        maps: the feature maps that the head averages, so that `logits = mean(maps, (1, 2)) @ kernel + bias`;
            None where the head is not global average pooling followed by one linear layer.
        kernel: the weight of the head's last linear layer, float32; None where `maps` and `hidden` are None.
        hidden: the layer before that one, for a head of two layers; None elsewhere.
        attention: for a network read through tokens (class token, distillation token, or the probe that pools the
            patches), their attention to the patches in the last block or the pooling, averaged over heads and over
            these tokens; None elsewhere.
        class_logits: for a network with two heads, of which `logits` are the mean, the scores of the head on the class
            token, float32; None elsewhere.
        distillation_logits: for such a network, the scores of the head on the distillation token, float32.
        context: for a network with two branches (RveRNet), whose activation map is that of the region of interest, the
            outputs of the branch on the context, with the same logits; None elsewhere.
    """

    logits: Float[Array, "batch classes"]
    stages: tuple[Float[Array, "batch _ _ _"], ...]
    maps: Float[Array, "batch height width channels"] | None = None
    kernel: Float[Parameter, "channels classes"] | None = None
    hidden: HiddenLayer | None = None
    attention: Float[Array, "batch height width"] | None = None
    class_logits: Float[Array, "batch classes"] | None = None
    distillation_logits: Float[Array, "batch classes"] | None = None
    context: Outputs | None = None

    @property
    def scores(self) -> Float[Array, "batch classes"]:
        """Class scores whose softmax is the network's answer, for evaluation, prediction and export.

        The logits; for a network with two heads log((softmax(class_logits) + softmax(distillation_logits)) / 2), as
        DeiT averages the two softmaxes at inference (Touvron et al., ICML 2021). (timm averages the logits, and
        `logits` are that.)
        """
        if self.class_logits is None or self.distillation_logits is None:
            return self.logits
        a, b = nn.log_softmax(self.class_logits), nn.log_softmax(self.distillation_logits)
        larger = jnp.maximum(a, b)
        return larger + jnp.log(0.5 * (jnp.exp(a - larger) + jnp.exp(b - larger)))

    def activation(self, labels: FullLabels) -> Float[Array, "batch height width"]:
        """Class activation map of `labels`, float32, not negative, on the grid of the last feature map.

        With a GAP + linear head this is ReLU(sum_c maps_c * kernel[c, label]) (CAM, Zhou et al., CVPR 2016), which
        equals Grad-CAM (Selvaraju et al., ICCV 2017) up to the constant 1 / (height * width): the gradient of the
        logit with respect to every position of channel c is kernel[c, label] / (height * width). With a hidden layer
        after the pooling it is Grad-CAM up to the same constant, in closed form: kernel[c, label] becomes the gradient
        of the label's logit with respect to the mean of channel c, which depends on the photo. A network read through
        tokens returns their attention, which does not depend on the label. Of a network with two branches this is the
        map of the region of interest, and `context.activation` that of the context; each is Grad-CAM of its branch.
        For a mixture of photos (`labels` are shares) the kernel's columns are averaged with the shares: where the
        network looks for either class, each as much as there is of it (OURS).
        """
        if self.maps is not None:
            return _weighted(self.maps, self._weights(labels))
        if self.hidden is not None:
            return _weighted(self.hidden.maps, self.hidden.pull_back(self._weights(labels)))
        if self.attention is not None:
            return self.attention.astype(jnp.float32)
        raise ValueError("these outputs have neither feature maps that the head averages nor a token's attention")

    def class_maps(self) -> Float[Array, "batch height width classes"]:
        """The class scores of each position of the last feature map, float32; their mean over positions is `logits`.

        maps @ kernel + bias: the class activation maps (CAM, Zhou et al., CVPR 2016) of all classes, without ReLU.
        Only of networks that have `maps`.
        """
        if self.maps is None or self.kernel is None:
            raise ValueError("these outputs have no feature maps that one linear layer reads")
        maps = self.maps.astype(jnp.float32)
        # From the logits, which have the bias.
        around = maps - maps.mean(axis=(1, 2), keepdims=True)
        return self.logits[:, None, None] + jnp.matmul(around, self.kernel, precision=EXACT)

    def _weights(self, labels: FullLabels) -> Float[Array, "batch channels"]:
        """The kernel's column of each label."""
        assert self.kernel is not None
        if lowering.is_plain():
            return jnp.take(self.kernel.T, labels, axis=0, mode="clip")
        # A product with one-hot rows rather than a lookup, whose gradient adds in no fixed order on a GPU.
        return jnp.matmul(shares(labels, self.kernel.shape[1]), self.kernel.T, precision=EXACT)


def _weighted(
    maps: Float[Array, "batch height width channels"], weights: Float[Array, "batch channels"]
) -> Float[Array, "batch height width"]:
    return nn.relu(jnp.einsum("bhwc,bc->bhw", maps.astype(jnp.float32), weights, precision=EXACT))
