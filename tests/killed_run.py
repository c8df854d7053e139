"""A run in this process that ends as if it had been killed, shared by the tests of what goes on after it."""

import pytest

from jdnet_jax import train
from jdnet_jax.process.progress import Progress


class Killed(Exception):
    """Nobody catches it on the way."""


def train_until(step, config, workdir):
    """Trains up to the progress line of this step, which must be one that is logged."""

    def line(self, number, *args):
        if number == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "line", line)
        with pytest.raises(Killed):
            train.train_and_evaluate(config, workdir)
