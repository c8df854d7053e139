"""Advice before a run, if another choice of networks may be better."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from jaxtyping import PyTree

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.learning.networks import parameter_count

#: A teacher with fewer parameters than this many times the student's has little to teach it (OURS).
LARGE = 2.0
#: With fewer training photos the student alone is worth a try first (OURS).
FEW = 1_000


def lines(networks: Collection[str], params: Mapping[str, PyTree], train_photos: int) -> Iterator[str]:
    """Yields one line per piece of advice; none without teachers, or where one is at least LARGE.

    Args:
        networks: names of the run's networks.
        params: network name -> its parameters.
        train_photos: number of training photos.
    """
    counts = {name: parameter_count(params[name]) for name in networks}
    teachers = [name for name in networks if name != STUDENT]
    if not teachers:
        return
    largest = max(teachers, key=lambda name: counts[name])
    ratio = counts[largest] / counts[STUDENT]
    if ratio >= LARGE:
        return
    key = f"--config.teachers.{largest}"
    yield (
        f"advice: {largest} is only {ratio:.1f} times as large as the student, which may learn more from a larger one, "
        f"such as {key}.model=resnet50 {key}.init=timm/resnet50.a1_in1k (with pip install 'jdnet-jax[hub]')"
    )
    if train_photos < FEW:
        yield (
            f"advice: with {train_photos:,} photos to train on and no larger teacher, the student alone (recipe ce) "
            "may do as well, in less than half the time"
        )
