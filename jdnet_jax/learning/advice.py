"""Advice before a run, if another recipe may be better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jaxtyping import PyTree

from jdnet_jax.config.recipes import TRAINED_BEFORE
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.learning.networks import Network, parameter_count

#: A teacher that learns beside the student, with fewer parameters than this many times its, taught it nothing on photos
#: (OURS; configs/README.md, "Tuning on photos of groceries").
LARGE = 2.0


def lines(recipe: str, networks: Mapping[str, Network], params: Mapping[str, PyTree]) -> Iterator[str]:
    """Yields a line where the teachers learn the classes beside the student and none of them is LARGE.

    Args:
        recipe: the run's.
        networks: networks of the run.
        params: network name -> its parameters.
    """
    if recipe in TRAINED_BEFORE:
        return
    counts = {name: parameter_count(params[name]) for name in networks}
    learning = [name for name, network in networks.items() if name != STUDENT and network.trainable]
    if not learning:
        return
    largest = max(learning, key=lambda name: counts[name])
    ratio = counts[largest] / counts[STUDENT]
    if ratio < LARGE:
        yield (
            f"advice: {largest} is only {ratio:.1f} times as large as the student and learns the classes at the same "
            "time: the student alone (recipe ce) may do as well, and from a teacher that is trained first (recipe "
            "jdnet_trained) it may learn more"
        )
