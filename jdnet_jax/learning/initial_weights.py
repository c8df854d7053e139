"""Initial weights of the networks of a run: random, or loaded from the config's `init`."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
from absl import logging
from jaxtyping import PRNGKeyArray

from jdnet_jax import handoff, models
from jdnet_jax.config import views
from jdnet_jax.handoff import class_names as class_names_lib
from jdnet_jax.handoff import sums
from jdnet_jax.learning import branches, networks
from jdnet_jax.learning.networks import Network, Variables
from jdnet_jax.models import initialization, position_embedding
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say


def check(nets: Mapping[str, Network]) -> None:
    """Checks that each network's `init` names weights that exist; nothing is read from them yet.

    Raises:
        UserError: names the config key, and what a source may be.
    """
    for network in nets.values():
        if not isinstance(network.init, str):
            with _named(network):
                branches.check(network.model, network.init, network.options)
            continue
        if network.init == "random" or handoff.is_handoff(network.init):
            continue
        with _named(network):
            models.check_weights(network.model, network.init)


def check_trained_teachers(nets: Mapping[str, Network], class_names: Sequence[str], view: str, protocol: str) -> None:
    """Checks that teachers from earlier runs, where they must be trained, have the run's classes and view of a photo.

    A line says so where such a teacher was trained on other data: the run's test photos may be among them.

    Args:
        nets: networks of the run.
        class_names: class names of the run's data, in the order of the labels.
        view: the view of the run's data, one of `views.VIEWS`.
        protocol: the data's, see `data.Dataset`.

    Raises:
        UserError: a teacher was trained on other classes, on the same ones in another order, or on another view.
    """
    for network in nets.values():
        folder = handoff.find(Path(network.init)) if isinstance(network.init, str) and network.init else None
        if network.fresh_classifier or folder is None:
            continue
        card = sums.checked_card(folder)
        with _named(network):
            class_names_lib.check(tuple(class_names), card.classes, "the run's data")
            # Of a photo in two parts a network of three channels sees the whole, see `views.images_for`.
            shown = views.PHOTO if view == views.BOTH and network.module.input_spec.channels == 3 else view
            if card.view != shown:
                raise UserError(f"{network.init} was trained on the view {card.view!r} and is shown {shown!r} here")
        before = card.trained.get("protocol")
        if before != protocol:
            say(f"note: {network.name}, {network.init}, was trained on other data than this run's: {before}")


@contextlib.contextmanager
def _named(network: Network) -> Iterator[None]:
    """Prefixes a message about the network's weights with its config key."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{networks.config_key(network.name)}.init: {error}") from error


def initialize(network: Network, seed: int, num_classes: int) -> Variables:
    """Initial parameters and batch statistics, float32: random, or loaded from the network's `init`.

    Fresh values are a function of the seed and the network's name alone, so that the student of a control run starts
    with the same weights as JDNet's.

    Raises:
        UserError: weights that do not exist or do not fit the model.
    """
    own_seed = zlib.crc32(f"{seed} {network.name}".encode()) & 0x7FFFFFFF
    key = jax.random.key(own_seed)
    if network.init == "random":
        return _fresh(network, key)
    if not isinstance(network.init, str):
        with _named(network):
            return branches.load(network.model, network.init, network.options, _fresh(network, key), network.image_size)
    with _named(network):
        if handoff.is_handoff(network.init):
            return _from_handoff(network, num_classes)
        variables = models.load_pretrained(
            network.model,
            network.init,
            num_classes,
            image_size=network.image_size,
            seed=own_seed,
            fresh_classifier=network.fresh_classifier,
            **network.options,
        )
    logging.info("%s: weights of %s loaded from %s", network.name, network.model, network.init)
    return variables


def _fresh(network: Network, key: PRNGKeyArray) -> Variables:
    variables = initialization.draw(network.module, network.image_size, key)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


def _from_handoff(network: Network, num_classes: int) -> Variables:
    variables, card = handoff.load(str(network.init), model=network.model, num_classes=num_classes)
    params, expected = variables["params"], networks.shapes(network)[1]["params"]
    if position_embedding.NAME in params and position_embedding.NAME in expected:
        shape = expected[position_embedding.NAME].shape
        resized = position_embedding.fit(
            params[position_embedding.NAME], shape, len(network.module.tokens), network.model
        )
        variables = {**variables, "params": {**params, position_embedding.NAME: resized}}
    if not networks.fits(network, variables):
        raise UserError(
            f"{network.init} holds {network.model} with options {dict(card.options)}, of other shapes "
            f"than the options {dict(network.options)} of {network.name}: give it the same options"
        )
    return variables
