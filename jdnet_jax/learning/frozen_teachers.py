"""The forward pass of the teachers that are not trained: all of them, one drawn for the step, or their mean.

PAPER (MEAL: Shen, He, Xue, AAAI 2019, and MEAL V2; their released code): V1 draws one teacher, each as likely as the
others, for a batch; V2 takes the mean of all teachers' softmax. OURS: the draw is a function of the run's seed and the
step, so that all devices and micro-batches agree and a resumed run draws the same; under the mean also the blocks
before the last are averaged.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree
from ml_collections import ConfigDict

from jdnet_jax.config.routing import ENSEMBLE
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.networks import readers as block_readers
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.process.errors import UserError

# Folded into a step's key; no micro-batch has this number, so the draw is independent of theirs.
_SELECTION = 0x4D45414C


@dataclasses.dataclass(frozen=True)
class FrozenTeachers:
    """The frozen teachers of a run.

    Attributes:
        members: name -> teacher.
        selection: one of `routing.SELECTIONS`.
        readers: name -> reader of the teacher's blocks.
        batch_statistics: whether batch norm takes the statistics of the batch, as in MEAL's released code, rather than
            the running ones, which never change.
    """

    members: Mapping[str, Network]
    selection: str = "all"
    readers: Mapping[str, BlockReader] = dataclasses.field(default_factory=dict)
    batch_statistics: bool = False

    def __call__(
        self,
        params: Mapping[str, Any],
        batch_stats: Mapping[str, Any],
        batch: Mapping[str, Array],
        key: PRNGKeyArray,
    ) -> dict[str, Outputs]:
        """The outputs of the teachers for the terms: of each teacher, or of `ENSEMBLE`.

        Args:
            params: network -> its parameters.
            batch_stats: network -> its batch statistics.
            batch: the images, as `Network.prepare` takes them.
            key: random key of the step, the same on all devices.
        """
        if not self.members:
            return {}
        forward = {
            name: functools.partial(self._forward, network, params[name], batch_stats[name], batch, key)
            for name, network in self.members.items()
        }
        if self.selection == "all":
            return {name: of() for name, of in forward.items()}
        aligned = [lambda of=of, read=self.readers[name]: read.aligned(of()) for name, of in forward.items()]
        if self.selection == "random":
            # A real branch: the index is a scalar, not a batch, so only the chosen teacher is computed.
            return {ENSEMBLE: lax.switch(self.chosen(key), aligned)}
        return {ENSEMBLE: mean([of() for of in aligned])}

    def chosen(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """The index of the member that is drawn for the step with this key."""
        return jax.random.randint(jax.random.fold_in(key, _SELECTION), (), 0, len(self.members))

    def stand_ins(self, outputs: Mapping[str, Outputs]) -> dict[str, Outputs]:
        """All outputs and, where the teachers form one ensemble, `ENSEMBLE` with the shapes that it has in a step."""
        if self.selection == "all" or not self.members:
            return dict(outputs)
        name = next(iter(self.members))
        return {**outputs, ENSEMBLE: self.readers[name].aligned(outputs[name])}

    def digests(self, variables: Callable[[str], PyTree]) -> dict[str, str]:
        """Name -> digest of the teacher's weights."""
        return {name: sha256(jax.device_get(variables(name))) for name in self.members}

    def check_unchanged(self, digests: Mapping[str, str], before: Mapping[str, str]) -> None:
        """Checks that a resumed run has the teachers that it began with.

        Args:
            digests: the present digests, from `digests`.
            before: the digests when the run began.

        Raises:
            UserError: a teacher's weights have changed.
        """
        for name, digest in digests.items():
            if before.get(name) != digest:
                raise UserError(
                    f"config.teachers.{name}.init: the weights at {self.members[name].init} are not those that this "
                    "run began with: put those back to continue it, or choose another --workdir"
                )

    def _forward(self, network: Network, params, batch_stats, batch, key) -> Outputs:
        variables, x = {"params": params, "batch_stats": batch_stats}, network.prepare(batch)
        if not self.batch_statistics:
            return network.module.apply(variables, x, train=False)
        outputs, _ = network.module.apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})
        return outputs


def build(config: ConfigDict, networks: Mapping[str, Network]) -> FrozenTeachers:
    """The frozen teachers of a config."""
    return FrozenTeachers(
        {name: network for name, network in networks.items() if not network.trainable},
        config.teacher_selection,
        block_readers(config, networks),
        batch_statistics=bool(config.losses.adversarial.options.faithful),
    )


def mean(outputs: list[Outputs]) -> Outputs:
    """The mean of aligned outputs: of each block, and of the softmaxes (as logits: their logarithm)."""
    stages = tuple(jnp.mean(jnp.stack(blocks), 0) for blocks in zip(*(one.stages for one in outputs), strict=True))
    return Outputs(logits=mean_softmax([one.logits for one in outputs]), stages=stages)


def mean_softmax(logits: list[Float[Array, "batch classes"]]) -> Float[Array, "batch classes"]:
    """The logarithm of the mean of the softmaxes, float32: logits whose softmax is that mean."""
    return jax.nn.logsumexp(jax.nn.log_softmax(jnp.stack(logits)), axis=0) - jnp.log(float(len(logits)))
