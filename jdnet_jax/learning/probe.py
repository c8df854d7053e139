"""The linear probe: a classifier fitted to the untrained student's features, the baseline that training has to beat.

The features are the classifier's inputs for each photo as an evaluation sees it, computed once; the classifier is
multinomial logistic regression on them, by L-BFGS (Liu, Nocedal, Mathematical Programming, 1989), whose minimum does
not depend on where it starts. This is the linear probe of Alain and Bengio (ICLR workshop, 2017), as Kornblith, Shlens
and Le (CVPR 2019) measure how well ImageNet networks transfer; that features are standardised, and the strengths that
are tried, are OURS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flax import traverse_util
from jaxtyping import Float, Float32, Float64, Int, PyTree
from ml_collections import ConfigDict
from scipy import optimize, special

from jdnet_jax.config.keys import PROBE
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import Dataset
from jdnet_jax.figures import intervals
from jdnet_jax.learning import devices, eval_loop, host_batches, networks, norms, step
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import first_compiles

#: Strengths of the penalty on the squared weights, strongest first; each fit starts where the one before ended.
STRENGTHS = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
#: The most training photos with which a probe comes before training: with more, L-BFGS takes too long to wait for.
QUICK = 10_000

_ITERATIONS = 500


@dataclass(frozen=True)
class Probe:
    """A fitted classifier.

    Attributes:
        kernel: the classifier's weights.
        bias: the classifier's bias.
        strength: strength of the penalty, which has the lowest cross-entropy on val.
        loss: mean cross-entropy on train.
        gradient: norm of the objective's gradient where the fit ended.
        train_top1: top-1 accuracy on train, in [0, 1].
        val_top1: top-1 accuracy on val, on which the strength was chosen.
    """

    kernel: Float32[np.ndarray, "features classes"]
    bias: Float32[np.ndarray, " classes"]
    strength: float
    loss: float
    gradient: float
    train_top1: float
    val_top1: float


def of_student(
    student: Network,
    variables: Mapping[str, PyTree],
    dataset: Dataset,
    config: ConfigDict,
    now: Callable[[str], None] = lambda work: None,
) -> Probe:
    """Computes the features of train and val, and fits a classifier to them.

    Args:
        student: the network.
        variables: the student's variables.
        dataset: dataset of the run.
        config: config of the run.
        now: called with the name of the current work.
    """
    mapped = devices.mapped(step.logits_step(backbone(student)))
    features_of = first_compiles(mapped, now, "computing the student's features")
    train, val = (
        eval_loop.logits(features_of, variables, host_batches.evaluation(dataset, config, role))
        for role in ("train", "val")
    )
    now("fitting a linear classifier")
    return fit(*train, *val, len(dataset.class_names))


def comes_first(student: Network, dataset: Dataset, config: ConfigDict) -> bool:
    """Whether a probe is fitted before training: config.probe, weights to start from, and at most QUICK photos."""
    trains = config.recipe != PROBE and student.init != "random"
    return config.probe and trains and dataset.sizes["train"] <= QUICK


def to_beat(probe: Probe, val_photos: int) -> str:
    """The probe's accuracy, in words, as the figure to beat.

    Args:
        probe: probe of the student.
        val_photos: number of photos in val.
    """
    on_val = intervals.share(probe.val_top1, val_photos)
    return f"to beat: the student as it comes, with a linear classifier: {on_val} on val"


def backbone(network: Network) -> Network:
    """The network without its classifier, as `models.create_backbone` makes it: its logits are its features."""
    return dataclasses.replace(network, module=network.module.clone(num_classes=0))


def fit(
    features: Float[np.ndarray, "n features"],
    labels: Int[np.ndarray, " n"],
    val_features: Float[np.ndarray, "m features"],
    val_labels: Int[np.ndarray, " m"],
    classes: int,
) -> Probe:
    """Multinomial logistic regression: minimises mean cross-entropy + strength / 2 x the sum of squared weights.

    The weights are those of features brought to mean 0 and deviation 1 on train, so that one strength suits all of
    them; the probe's weights are for the original features. The bias is not penalised.

    Args:
        features: features of train.
        labels: labels of train.
        val_features: features of val, by which the strength is chosen.
        val_labels: labels of val.
        classes: number of classes.
    """
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    train, val = ((part.astype(np.float64) - mean) / deviation for part in (features, val_features))
    size = train.shape[1] * classes
    weights = np.zeros(size + classes)
    best: tuple[float, float, np.ndarray, float] | None = None
    for strength in STRENGTHS:
        arguments, limit = (train, labels, classes, strength), {"maxiter": _ITERATIONS}
        result = optimize.minimize(_objective, weights, arguments, "L-BFGS-B", jac=True, options=limit)
        weights = result.x
        loss = _cross_entropy(_scores(weights, val, classes), val_labels)
        if best is None or loss < best[0]:
            best = loss, strength, weights, float(np.linalg.norm(result.jac))
    assert best is not None
    _, strength, weights, gradient = best
    scores = _scores(weights, train, classes)
    kernel = weights[:size].reshape(-1, classes) / deviation[:, None]
    return Probe(
        kernel=kernel.astype(np.float32),
        bias=(weights[size:] - mean @ kernel).astype(np.float32),
        strength=strength,
        loss=_cross_entropy(scores, labels),
        gradient=gradient,
        train_top1=float(np.mean(scores.argmax(1) == labels)),
        val_top1=float(np.mean(_scores(weights, val, classes).argmax(1) == val_labels)),
    )


def _scores(
    weights: Float64[np.ndarray, " _"], features: Float64[np.ndarray, "n features"], classes: int
) -> Float64[np.ndarray, "n classes"]:
    return features @ weights[:-classes].reshape(-1, classes) + weights[-classes:]


def _cross_entropy(scores: Float64[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    return float(np.mean(special.logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]))


def _objective(
    weights: Float64[np.ndarray, " w"],
    features: Float64[np.ndarray, "n features"],
    labels: Int[np.ndarray, " n"],
    classes: int,
    strength: float,
) -> tuple[float, Float64[np.ndarray, " w"]]:
    """The objective of `fit` and its gradient."""
    scores, kernel = _scores(weights, features, classes), weights[:-classes]
    errors = special.softmax(scores, axis=1)
    errors[np.arange(len(labels)), labels] -= 1
    errors /= len(labels)
    gradient = np.concatenate([(features.T @ errors).ravel() + strength * kernel, errors.sum(0)])
    return _cross_entropy(scores, labels) + strength / 2 * float(kernel @ kernel), gradient


def classifier_of(student: Network) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths of kernel and bias of a network's classifier.

    Raises:
        UserError: its classifier is not one linear layer.
    """
    paths, others = (
        traverse_util.flatten_dict(dict(networks.shapes(network)[1]["params"]))
        for network in (student, backbone(student))
    )
    places = {path[-1]: path for path in paths if path not in others}
    if len(paths) - len(others) != 2 or set(places) != {"kernel", "bias"} or len(paths[places["kernel"]].shape) != 2:
        raise UserError(
            f"config.recipe: a probe needs a student whose classifier is one linear layer, and {student.model} has "
            "another: choose another student"
        )
    return places["kernel"], places["bias"]


def with_classifier(student: Network, params: PyTree, probe: Probe) -> PyTree:
    """The student's parameters with the probe in the place of its classifier.

    Raises:
        UserError: as `classifier_of`.
    """
    kernel, bias = classifier_of(student)
    leaves = traverse_util.flatten_dict(dict(params))
    return traverse_util.unflatten_dict({**leaves, kernel: probe.kernel, bias: probe.bias})


def train_step(
    student: Network, terms: tuple[str, ...], dataset: Dataset, config: ConfigDict
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, np.float32]]]:
    """The only step of the recipe `probe`, instead of `step.train_step`: fits the probe and makes it the classifier.

    Args:
        student: the network.
        terms: names of the loss terms.
        dataset: dataset of the run.
        config: config of the run.

    Raises:
        UserError: as `classifier_of`.
    """
    classifier_of(student)  # refused before anything is computed

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, np.float32]]:
        del batch  # the probe is fitted to all of train
        probe = of_student(student, state.variables(STUDENT), dataset, config)
        params = with_classifier(student, state.params[STUDENT], probe)
        ema = {**state.ema, "params": params} if state.ema else state.ema
        fitted = dataclasses.replace(state, step=state.step + 1, params={**state.params, STUDENT: params}, ema=ema)
        metrics = {
            "loss/total": probe.loss,
            **{f"loss/{term}": probe.loss for term in terms},
            f"accuracy/{STUDENT}": probe.train_top1,
            f"grad_norm/{STUDENT}": probe.gradient,
            f"param_norm/{STUDENT}": float(norms.norm(params)),
        }
        return devices.place(fitted), {name: np.float32(value) for name, value in metrics.items()}

    return step
