"""Vision transformers: ViT (Dosovitskiy et al., ICLR 2021), DeiT (Touvron et al., ICML 2021), DINOv2 (Oquab et al.,
TMLR 2024) and the image tower of SigLIP (Zhai et al., ICCV 2023).

Sizes, names and parameter names are timm's. The logits are read from a class token; in distilled DeiT also from a
distillation token, and are the mean of both heads' logits; in SigLIP from a probe that attends to all patches.
Initialisation is timm's: linear layers and embeddings normal with deviation 0.02, biases zero; the class token nearly
zero; patches uniform within 1 / sqrt(fan-in). The heads start as every `Classifier`.
The grid of the positional embeddings is that of the images that the network is initialised with.
`vit_tiny_test` and `deit_tiny_distilled_test` are OURS: two blocks on patches of 4 pixels, for tests and demos.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers, position_embedding
from jdnet_jax.models.attention import Attention, AttentionPool, SelfAttention, Tokens
from jdnet_jax.models.layer_norm import layer_norm
from jdnet_jax.models.layers import StochasticDepth
from jdnet_jax.models.linear_head import classify
from jdnet_jax.models.mlp import Mlp, linear_init
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.patches import PatchConv
from jdnet_jax.models.spec import COMMON_OPTIONS, DROP_PATH_RATE, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Stage, Variant
from jdnet_jax.process.errors import UserError


class LayerScale(nn.Module):
    """A learned factor for each channel (Touvron et al., ICCV 2021).

    Attributes:
        start: the factors' value at initialisation.
    """

    start: float

    @nn.compact
    def __call__(self, x: Float[Array, "... channels"]) -> Float[Array, "... channels"]:
        """Returns the scaled `x`, in its dtype."""
        gamma = self.param("gamma", initializers.constant(self.start), (x.shape[-1],), jnp.float32)
        return x * gamma.astype(x.dtype).reshape(*[1] * (x.ndim - 1), -1)


class Block(nn.Module):
    """Attention, then a perceptron at each token, both on normalised tokens and added to the tokens.

    Attributes:
        heads: number of attention heads.
        layer_scale: the start of each branch's factors; None for branches without.
        drop_path_rate: probability that a branch is left out, in training.
        data_axis: mapped axis that splits the batch.
        dtype: dtype of the computation.
    """

    heads: int
    layer_scale: float | None
    drop_path_rate: float
    data_axis: str | None
    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens, *, train: bool) -> tuple[Tokens, Attention]:
        """Returns the tokens and the attention between them."""
        y, weights = SelfAttention(self.heads, self.dtype, name="attn")(layer_norm(self.dtype, "norm1")(x))
        x = x + self._branch(y, "1", train)
        y = Mlp(self.dtype, name="mlp")(layer_norm(self.dtype, "norm2")(x))
        return x + self._branch(y, "2", train), weights

    def _branch(self, y: Tokens, number: str, train: bool) -> Tokens:
        if self.layer_scale is not None:
            y = LayerScale(self.layer_scale, name=f"ls{number}")(y)
        return StochasticDepth(self.drop_path_rate, self.data_axis, name=f"drop_path{number}")(y, train=train)


class VisionTransformer(nn.Module):
    """A transformer over the patches of an image.

    Attributes:
        num_classes: length of the logits.
        width: channels of each token.
        depth: number of blocks.
        heads: number of attention heads.
        patch_size: side of a patch in pixels.
        tokens: names of the learned tokens before the patches; the first is read by `head`, the second by `head_dist`.
            Without any, the patches are read by an attention pool.
        spec: mean, deviation and size of the images.
        layer_scale: the start of the blocks' layer scale; None for blocks without.
        dtype: dtype of the computation; parameters and logits are float32.
        axis_name: not used, as there is no BatchNorm; every network of the zoo has it.
        drop_rate: probability of Dropout before the heads.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.
        data_axis: mapped axis that splits the batch, for what Dropout and stochastic depth draw.
    """

    num_classes: int
    width: int
    depth: int
    heads: int
    patch_size: int
    tokens: tuple[str, ...]
    spec: InputSpec
    layer_scale: float | None = None
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the patches after 1/4, 2/4, 3/4 and all of the blocks, each block at most once."""
        ends = dict.fromkeys(-(-self.depth * i // 4) for i in range(1, 5))
        return tuple(Stage(f"blocks.{end - 1}", self.width, self.patch_size) for end in ends)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return self.spec

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images.

        Raises:
            UserError: the images cannot be cut into whole patches.
        """
        x, grid = self._embed(images)
        prefix, taps, weights = len(self.tokens), {}, None
        for i, rate in enumerate(np.linspace(0, self.drop_path_rate, self.depth)):
            block = Block(self.heads, self.layer_scale, float(rate), self.data_axis, self.dtype, name=f"blocks.{i}")
            x, weights = block(x, train=train)
            taps[f"blocks.{i}"] = x[:, prefix:].reshape(x.shape[0], *grid, self.width)
        x = layer_norm(self.dtype, "norm")(x)
        if self.tokens:
            features = [x[:, i] for i in range(prefix)]
        else:
            pooled, weights = AttentionPool(self.heads, self.dtype, name="attn_pool")(x)
            features = [pooled]
        heads = [
            classify(self, feature, name, train=train)[0]
            for name, feature in zip(("head", "head_dist"), features, strict=False)
        ]
        readers = max(prefix, 1)
        assert weights is not None
        attention = jnp.mean(weights[:, :, :readers, prefix:], (1, 2)).reshape(x.shape[0], *grid)
        stages = tuple(taps[stage.name] for stage in self.stages)
        if len(heads) == 1 or self.num_classes == 0:
            return Outputs(logits=sum(heads[1:], heads[0]) / len(heads), stages=stages, attention=attention)
        return Outputs(
            logits=(heads[0] + heads[1]) / 2,
            stages=stages,
            attention=attention,
            class_logits=heads[0],
            distillation_logits=heads[1],
        )

    def _embed(self, images: Float[Array, "batch height width 3"]) -> tuple[Tokens, tuple[int, int]]:
        """The learned tokens and the patches, with their positions, and the patches' rows and columns."""
        height, width = images.shape[1:3]
        if height % self.patch_size or width % self.patch_size:
            raise UserError(
                f"images of {height}x{width} pixels cannot be cut into patches of {self.patch_size}x{self.patch_size}: "
                f"choose a size that is a multiple of {self.patch_size}"
            )
        uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        patches = PatchConv(self.width, self.patch_size, uniform, self.dtype, name="patch_embed.proj")(images)
        batch, rows, columns, _ = patches.shape
        starts = {"cls_token": initializers.normal(1e-6), "dist_token": linear_init}
        learned = [self.param(name, starts[name], (1, 1, self.width), jnp.float32) for name in self.tokens]
        parts = [jnp.broadcast_to(token.astype(self.dtype), (batch, 1, self.width)) for token in learned]
        x = jnp.concatenate([*parts, patches.reshape(batch, -1, self.width)], axis=1)
        shape = (1, x.shape[1], self.width)
        positions = self.param(position_embedding.NAME, linear_init, shape, jnp.float32)
        return x + positions.astype(self.dtype), (rows, columns)


_IMAGENET = InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)
#: Pixels from -1 to 1.
_SYMMETRIC = InputSpec((127.5,) * 3, (127.5,) * 3, 224)
_CLASS, _DISTILLED = ("cls_token",), ("cls_token", "dist_token")


def _variant(
    width: int,
    *,
    spec: InputSpec,
    tokens: tuple[str, ...] = _CLASS,
    depth: int = 12,
    heads: int | None = None,
    patch_size: int = 16,
    layer_scale: float | None = None,
) -> Variant:
    """A variant; by default heads have 64 channels, as in every size of the papers."""
    fields = {
        "width": width,
        "depth": depth,
        "heads": heads or width // 64,
        "patch_size": patch_size,
        "tokens": tokens,
        "spec": spec,
        "layer_scale": layer_scale,
    }
    return Variant(VisionTransformer, fields, {**COMMON_OPTIONS, **DROP_PATH_RATE})


_dinov2 = functools.partial(_variant, spec=InputSpec(IMAGENET_MEAN, IMAGENET_STD, 518), patch_size=14, layer_scale=1e-5)
_for_tests = functools.partial(
    _variant, 32, spec=InputSpec(IMAGENET_MEAN, IMAGENET_STD, 32), depth=2, heads=2, patch_size=4
)

VARIANTS = {
    "vit_base_patch16_224": _variant(768, spec=_SYMMETRIC),
    "deit_tiny_patch16_224": _variant(192, spec=_IMAGENET),
    "deit_small_patch16_224": _variant(384, spec=_IMAGENET),
    "deit_base_patch16_224": _variant(768, spec=_IMAGENET),
    "deit_tiny_distilled_patch16_224": _variant(192, spec=_IMAGENET, tokens=_DISTILLED),
    "deit_small_distilled_patch16_224": _variant(384, spec=_IMAGENET, tokens=_DISTILLED),
    "deit_base_distilled_patch16_224": _variant(768, spec=_IMAGENET, tokens=_DISTILLED),
    "vit_small_patch14_dinov2": _dinov2(384),
    "vit_base_patch14_dinov2": _dinov2(768),
    "vit_base_patch16_siglip_224": _variant(768, spec=_SYMMETRIC, tokens=()),
    "vit_tiny_test": _for_tests(),
    "deit_tiny_distilled_test": _for_tests(tokens=_DISTILLED),
}
