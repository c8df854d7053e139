"""A hand-off that was never trained, in a moment; shared by the tests of what is done with one."""

import dataclasses

from jdnet_jax import handoff
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.learning import initial_weights, networks

CLASSES = ("apple", "bread", "corn", "dumpling", "egg", "fig", "grape")


def card(**changes) -> ModelCard:
    """The card of a `resnet_tiny` at 32 pixels."""
    of_tiny = ModelCard(
        model="resnet_tiny",
        classes=CLASSES,
        image_size=32,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        shorter_side=36,
        options={"width": 4},
        trained={"protocol": "drawn at random"},
    )
    return dataclasses.replace(of_tiny, **changes)


def variables(of: ModelCard):
    config = config_lib.default()
    config.image_size = of.image_size
    config.student = {"model": of.model, "init": "random", "options": dict(of.options)}
    classes = len(of.classes)
    return initial_weights.initialize(networks.build(config, classes)["student"], 0, classes)


def save(folder, **changes):
    """Writes the hand-off and returns its folder."""
    of_tiny = card(**changes)
    handoff.save(folder, variables(of_tiny), of_tiny)
    return folder
