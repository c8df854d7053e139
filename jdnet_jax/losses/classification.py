"""Losses on the logits: cross-entropy with the label, and divergence from another network."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.losses.alignment import normalize
from jdnet_jax.models.labels import Labels, PartLabels
from jdnet_jax.models.outputs import Outputs


def cross_entropy(
    logits: Float[Array, "batch classes"], labels: Labels, label_smoothing: float = 0.0
) -> Float[Array, " batch"]:
    """Cross-entropy of each example with its label, in nats.

    Args:
        logits: class scores, float32.
        labels: class ids in [0, classes), or shares of the classes. Where some photos have none: theirs is 0, and that
            of the others is scaled so that the mean over the batch is the mean over those that have one.
        label_smoothing: share of the target spread evenly over all classes, in [0, 1) (Szegedy et al., CVPR 2016).

    >>> round(float(cross_entropy(jnp.log(jnp.array([[0.25, 0.75]])), jnp.array([1]))[0]), 4)
    0.2877
    """
    if isinstance(labels, PartLabels):
        of_each = cross_entropy(logits, jnp.where(labels.known, labels.ids, 0), label_smoothing)
        scale = labels.known.size / jnp.sum(labels.known, dtype=jnp.float32)
        return jnp.where(labels.known, scale * of_each, 0.0)
    log_p = jax.nn.log_softmax(logits)
    if labels.ndim == 1:
        of_label = jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    else:
        of_label = jnp.sum(labels * log_p, axis=-1)
    return -(1.0 - label_smoothing) * of_label - label_smoothing * log_p.mean(axis=-1)


def kl_divergence(
    target_logits: Float[Array, "*batch classes"], logits: Float[Array, "*batch classes"], temperature: float = 1.0
) -> Float[Array, " *batch"]:
    """The divergence tau^2 KL(softmax(target / tau) || softmax(logits / tau)) of each example, in nats.

    The factor tau^2 keeps the gradient's size independent of tau (Hinton, Vinyals, Dean, 2015, section 2). Gradient
    flows into both arguments; the caller stops the gradients that it does not want.

    >>> logits = jnp.log(jnp.array([[0.5, 0.5]]))
    >>> round(float(kl_divergence(logits, jnp.log(jnp.array([[0.25, 0.75]])), 1.0)[0]), 4)
    0.1438
    """
    log_target = jax.nn.log_softmax(target_logits / temperature)
    log_p = jax.nn.log_softmax(logits / temperature)
    return temperature**2 * jnp.sum(jnp.exp(log_target) * (log_target - log_p), axis=-1)


def standardize(logits: Float[Array, "batch classes"]) -> Float[Array, "batch classes"]:
    """The standardised logits, (logits - mean) / standard deviation over the classes of each example.

    Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024: what the student is to match is the order
    and the relative distance of the logits, not their magnitude. Equal logits become zero and receive no gradient.

    >>> standardize(jnp.array([[1.0, 3.0]])).round(3).tolist()
    [[-1.0, 1.0]]
    """
    return normalize(logits - logits.mean(axis=-1, keepdims=True), -1) * logits.shape[-1] ** 0.5


def correlation(a: Float[Array, "rows columns"], b: Float[Array, "rows columns"], axis: int) -> Float[Array, " _"]:
    """Pearson's correlation of a and b along an axis, in [-1, 1]; 0 where one of them is constant.

    The norms of the centred vectors are bounded below by 1e-4, which bounds the gradient. (DIST's released
    code adds 1e-8 to the product of the two lengths.)
    """
    a, b = (x - x.mean(axis=axis, keepdims=True) for x in (a, b))
    lengths = [jnp.sqrt(jnp.maximum(jnp.sum(x * x, axis=axis), 1e-8)) for x in (a, b)]
    return jnp.sum(a * b, axis=axis) / (lengths[0] * lengths[1])


def photo_weights(class_weights: Float[Array, " classes"], labels: Labels) -> Float[Array, " batch"]:
    """The weight of each photo: its class's weight; for mixed photos the mean of the classes' weights by shares.

    >>> photo_weights(jnp.array([0.5, 3.0]), jnp.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [1.75, 0.5]
    """
    if isinstance(labels, PartLabels):
        return class_weights[jnp.where(labels.known, labels.ids, 0)]
    return class_weights[labels] if labels.ndim == 1 else labels @ class_weights


class CrossEntropy(nn.Module):
    """Mean cross-entropy of one network with the labels; photos may have different weights.

    Attributes:
        label_smoothing: see `cross_entropy`.
        class_weights: weight of each class's photos, 1 in the mean over train; () for equal ones. The sum over a batch
            is divided by its size and not by its weights, so that its parts add up on any split over devices.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()

    def __call__(self, network: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """Mean over the batch, in nats."""
        of_each = cross_entropy(network.logits, labels, self.label_smoothing)
        if self.class_weights:
            of_each = of_each * photo_weights(jnp.array(self.class_weights, jnp.float32), labels)
        return of_each.mean()


class Distill(nn.Module):
    """DeiT's distillation through a token with a separate head (Touvron et al., ICML 2021, section 4).

    - `hard`: 1/2 CE(class head, label) + 1/2 CE(distillation head, argmax of the teacher's logits).
    - `soft`: (1 - lambda) CE(class head, label) + lambda tau^2 KL(softmax(teacher / tau) || softmax(head / tau)) of the
      distillation head, which the teacher teaches here too (as in the authors' code; in the paper's formula there is
      one head).

    The label is smoothed as in the authors' code, the teacher's prediction is not. The teacher is a fixed target. For
    mixed photos the label is the mixture's shares, and the teacher predicts the mixture itself.
    """

    variant: str = "hard"
    temperature: float = 3.0
    share: float = 0.5
    label_smoothing: float = 0.0

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """Mean over the batch, in nats."""
        assert student.class_logits is not None
        assert student.distillation_logits is not None
        target = jax.lax.stop_gradient(teacher.scores)
        if self.variant == "hard":
            taught = cross_entropy(student.distillation_logits, jnp.argmax(target, axis=-1))
        else:
            taught = kl_divergence(target, student.distillation_logits, self.temperature)
        known = cross_entropy(student.class_logits, labels, self.label_smoothing)
        return ((1.0 - self.share) * known + self.share * taught).mean()


class Kl(nn.Module):
    """Divergence of the two networks' predictions, each learning from the other's as a fixed target.

    tau^2 KL(sg p_T || p_S), and where `mutual` also tau^2 KL(sg p_S || p_T), whose gradient only the teacher gets. With
    full strength both ways and no other coupling this is Deep Mutual Learning (Zhang et al., CVPR 2018); one way, from
    a frozen teacher, it is knowledge distillation (Hinton et al., 2015). Of a teacher with two heads p_T is its answer,
    the mean of their softmaxes.
    """

    temperature: float = 1.0
    mutual: bool = False
    standardized: bool = False  # see `standardize`

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """Mean over the batch, in nats."""
        stop = jax.lax.stop_gradient
        s, t = student.logits, teacher.scores
        if self.standardized:
            s, t = standardize(s), standardize(t)
        value = kl_divergence(stop(t), s, self.temperature)
        if self.mutual:
            value = value + kl_divergence(stop(s), t, self.temperature)
        return value.mean()


class Dist(nn.Module):
    """DIST (Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022).

    PAPER: beta times the mean over photos of 1 - the correlation of the two softmaxes between classes, and gamma times
    the mean over classes of 1 - their correlation between the photos of the batch; both softmaxes at a temperature tau,
    and both parts times tau^2 (released code). Weights and temperature are 1 on ImageNet, 2 and 4 on CIFAR.
    OURS: the batch is one device's share, or a micro-batch of it. The gradient into the teacher is routed.
    """

    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 1.0

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """The value of the term, in [0, 2 tau^2 (beta + gamma)]."""
        s, t = (jax.nn.softmax(logits / self.temperature) for logits in (student.logits, teacher.scores))
        between_classes = jnp.mean(1.0 - correlation(s, t, axis=1))
        between_photos = jnp.mean(1.0 - correlation(s, t, axis=0))
        return self.temperature**2 * (self.beta * between_classes + self.gamma * between_photos)
