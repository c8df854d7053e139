"""The train step and the evaluation step: pure functions of one device's share, mapped over all by `devices.mapped`.

Gradients, metrics and batch statistics are averaged over the axis `data` inside the steps, and nowhere else, so the
state before and after a step is the same on all devices.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, PyTree

from jdnet_jax import losses
from jdnet_jax.config.routing import ENSEMBLE, STUDENT
from jdnet_jax.learning import frozen_teachers, norms
from jdnet_jax.learning import optimizers as optimizers_lib
from jdnet_jax.learning.devices import DATA_AXIS, Batch, averaged
from jdnet_jax.learning.forward import forward, step_key
from jdnet_jax.learning.frozen_teachers import FrozenTeachers
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.state import Optimizers, TrainState
from jdnet_jax.losses.classification import cross_entropy
from jdnet_jax.models import labels, lowering
from jdnet_jax.models.outputs import Outputs

Metrics = dict[str, Array]


def train_step(
    networks: Mapping[str, Network],
    terms: Sequence[losses.Term],
    optimizers: Optimizers,
    *,
    frozen: FrozenTeachers | None = None,
    ema_decay: float = 0.0,
    sync_batch_norm: bool = False,
    skip_non_finite: bool = False,
    remat: bool = False,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """The train step of a recipe, for one device inside a mapped axis `data`.

    The batch it takes is one device's share: `image` [accum, batch, h, w, 3] in [0, 255] and `label` [accum, batch];
    where the photo comes in two parts also `context` like `image`, see `views`;
    where photos are mixed also `mixed_label` and `share` [accum, batch], and where some have no label `known` [accum,
    batch], as many on each device; see `labels.of_batch`.
    Gradients are averaged over the `accum` micro-batches, which are computed one after the other, and over the devices.
    Micro-batch m of all devices together holds consecutive examples of the global batch (see `devices.rows`), so
    that which examples meet in a synchronised batch norm, and the masks of dropout, do not depend on the number of
    devices.

    Args:
        networks: all networks, the student first.
        terms: the objective.
        optimizers: trained group -> optimiser.
        frozen: the frozen teachers; None: those among `networks`, each for itself.
        ema_decay: decay of the student's moving average, 0 for none. The effective decay after step t is
            min(ema_decay, (1 + t) / (10 + t)), so that the average forgets the initial values quickly.
        sync_batch_norm: whether the layers already average their statistics over devices; where not, the running
            statistics are averaged here after the step.
        skip_non_finite: whether a step with a metric that is not finite changes the step number alone, and with it the
            place in the schedules.
        remat: whether the trained networks compute their blocks again in the backward pass, see `rematerialization`.

    Returns:
        a function of (state, batch) to the next state and the metrics, averaged over the global batch:
        `loss/total`, `loss/<term>` unweighted, `accuracy/<network>`, for discriminators `accuracy/<term>`,
        `grad_norm/<group>`, and after the update `param_norm/<group>`; with `skip_non_finite` also `skipped`, 1 where
        the update was left out and 0 elsewhere.
    """

    trainable = {name: network for name, network in networks.items() if network.trainable}
    if frozen is None:
        frozen = FrozenTeachers({name: network for name, network in networks.items() if name not in trainable})

    def gradients(state: TrainState, batch_stats, batch: Batch, key):
        def loss(trained):
            params = {**state.params, **trained}
            outputs, updated = forward(trainable, params, batch_stats, batch, key, remat)
            outputs |= frozen(params, batch_stats, batch, step_key(state))
            of_batch = labels.of_batch(batch, outputs[STUDENT].logits.shape[-1])
            total, values, term_stats, figures = losses.evaluate(
                terms, params, batch_stats, outputs, of_batch, state.step
            )
            accuracy = {f"accuracy/{name}": _accuracy(out, batch) for name, out in outputs.items()}
            metrics = {f"loss/{name}": value for name, value in values.items()} | {"loss/total": total}
            metrics |= accuracy | figures
            return total, ({**batch_stats, **updated, **term_stats}, metrics)

        trained = {name: state.params[name] for name in optimizers}
        (_, (batch_stats, metrics)), grads = jax.value_and_grad(loss, has_aux=True)(trained)
        return batch_stats, grads, metrics

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        before = state
        key = step_key(state)
        accum = batch["image"].shape[0]
        first = {name: values[0] for name, values in batch.items()}
        if accum == 1:
            batch_stats, grads, metrics = gradients(state, state.batch_stats, first, key)
        else:

            def micro(carry, part):
                if lowering.on_cpu():  # one after the other, so that the memory of one serves the next
                    carry, part = lax.optimization_barrier((carry, part))
                (batch_stats, grads, metrics), (examples, i) = carry, part
                batch_stats, *new = gradients(state, batch_stats, examples, jax.random.fold_in(key, i))
                grads, metrics = jax.tree.map(lambda a, b: a + b / accum, (grads, metrics), tuple(new))
                return (batch_stats, grads, metrics), None

            shapes = jax.eval_shape(gradients, state, state.batch_stats, first, key)[1:]
            zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            carry = (state.batch_stats, *zeros)
            # In a loop XLA's convolutions for CPUs are 20 to 40 times slower (jax 0.10), so there it is written out.
            unroll = accum if lowering.on_cpu() else 1
            (batch_stats, grads, metrics), _ = lax.scan(micro, carry, (dict(batch), jnp.arange(accum)), unroll=unroll)

        grads, metrics = averaged((grads, metrics))
        if lowering.on_cpu():
            # No update begins before the last gradient is known. Otherwise XLA for CPUs copies every parameter, since
            # it cannot know that the backward pass has read the old value when the update overwrites it.
            grads = lax.optimization_barrier(grads)
        if not sync_batch_norm:
            moved = {name: stats for name, stats in batch_stats.items() if name not in networks or name in trainable}
            batch_stats = {**batch_stats, **averaged(moved)}
        params, opt_state = dict(state.params), dict(state.opt_state)
        for name, tx in optimizers.items():
            metrics[f"grad_norm/{name}"] = norms.norm(grads[name])
            in_time = optimizers_lib.at_step(state.opt_state[name], state.step)
            updates, opt_state[name] = tx.update(grads[name], in_time, state.params[name], step=state.step)
            params[name] = optax.apply_updates(state.params[name], updates)
            metrics[f"param_norm/{name}"] = norms.norm(params[name])
        state = dataclasses.replace(
            state, step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state
        )
        if ema_decay:
            state = dataclasses.replace(state, ema=_moving_average(state, ema_decay))
        if skip_non_finite:
            finite = jnp.all(jnp.isfinite(jnp.stack(list(metrics.values()))))
            unchanged = dataclasses.replace(before, step=state.step)
            state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), state, unchanged)
            metrics["skipped"] = 1.0 - finite.astype(jnp.float32)
        return state, metrics

    return step


def eval_step(networks: Mapping[str, Network]) -> Callable[[Mapping[str, PyTree], Batch], Metrics]:
    """The evaluation step: exact counts over the global batch, for one device inside a mapped axis `data`.

    The function takes {network: variables} and one device's share: `image` [batch, h, w, 3] (and `context`, see
    `views`), `label` [batch] and `mask` [batch], False for padding. It returns, for each network, sums over the
    examples that are not padding: `<network>/confusion` int32 [classes, classes] (row: label, column: prediction),
    `<network>/top5` int32 (label among the five best; none where a score is not finite), `<network>/loss` (sum of
    cross-entropies), and `count` int32.
    With several frozen teachers also the sums of `ensemble`, the mean of their softmaxes.
    """

    def step(variables: Mapping[str, PyTree], batch: Batch) -> Metrics:
        label, mask = batch["label"], batch["mask"]
        sums: Metrics = {"count": mask.sum(dtype=jnp.int32)}
        logits_of = {
            name: networks[name].module.apply(of_network, networks[name].prepare(batch), train=False).scores
            for name, of_network in variables.items()
        }
        teachers = [logits for name, logits in logits_of.items() if not networks[name].trainable]
        if len(teachers) > 1:
            logits_of[ENSEMBLE] = frozen_teachers.mean_softmax(teachers)
        for name, logits in logits_of.items():
            classes = logits.shape[-1]
            confusion = jnp.zeros((classes, classes), jnp.int32)
            of_label = jnp.take_along_axis(logits, label[:, None], axis=1)
            # Among equal logits the lower class comes first, as in argmax.
            ahead = (logits > of_label) | ((logits == of_label) & (jnp.arange(classes) < label[:, None]))
            among_five = (jnp.sum(ahead, axis=-1) < 5) & jnp.all(jnp.isfinite(logits), axis=-1)
            sums[f"{name}/confusion"] = confusion.at[label, jnp.argmax(logits, -1)].add(mask.astype(jnp.int32))
            sums[f"{name}/top5"] = jnp.sum(among_five & mask, dtype=jnp.int32)
            sums[f"{name}/loss"] = jnp.sum(jnp.where(mask, cross_entropy(logits, label), 0.0))
        return lax.psum(sums, DATA_AXIS)

    return step


def logits_step(network: Network) -> Callable[[PyTree, Batch], dict[str, Array]]:
    """The step that returns one network's logits, for one device inside a mapped axis `data`.

    The function takes variables and a batch as the function of `eval_step` does. It returns `logits` [global batch,
    classes] with the `label` and the `mask` of each row, whole on every device.
    """

    def step(variables: PyTree, batch: Batch) -> dict[str, Array]:
        logits = network.module.apply(variables, network.prepare(batch), train=False).scores
        rows = {"logits": logits, "label": batch["label"], "mask": batch["mask"]}
        return lax.all_gather(rows, DATA_AXIS, tiled=True)

    return step


def _accuracy(outputs: Outputs, batch: Batch) -> Float[Array, ""]:
    hits = (jnp.argmax(outputs.logits, -1) == labels.largest(batch)).astype(jnp.float32)
    of_batch = labels.of_batch(batch, outputs.logits.shape[-1])
    return of_batch.mean(hits) if isinstance(of_batch, labels.PartLabels) else jnp.mean(hits)


def _moving_average(state: TrainState, decay: float) -> dict[str, PyTree]:
    step = state.step.astype(jnp.float32)
    decay_now = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(
        lambda average, new: decay_now * average + (1.0 - decay_now) * new,
        state.ema,
        {"params": state.params[STUDENT], "batch_stats": state.batch_stats[STUDENT]},
    )
