"""Initial weights of the branches of a two-branch network (RveRNet), each from a separate source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.traverse_util
from jaxtyping import PyTree

from jdnet_jax import handoff, models
from jdnet_jax.models import position_embedding
from jdnet_jax.models.rvernet import BRANCHES, CONTEXT, IMAGENET_CLASSES, NAME, ROI
from jdnet_jax.process.errors import UserError, unknown
from jdnet_jax.process.progress import say


def check(model: str, sources: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Checks that each source exists; nothing is read from it.

    Args:
        model: name of the network.
        sources: branch name -> `random`, a source as `models.load_pretrained` takes it, or a hand-off.
        options: options of the network.

    Raises:
        UserError: the network has no branches, or no such branch; or there is no such source.
    """
    if model != NAME:
        raise UserError(f"{model} has no branches: name one source of its weights")
    for branch, source in sources.items():
        if branch not in (ROI, CONTEXT):
            raise UserError(unknown("branch", branch, (ROI, CONTEXT)))
        if source != "random" and not handoff.is_handoff(source):
            models.check_weights(_branch_model(model, branch, options), source)


def load(
    model: str,
    sources: Mapping[str, str],
    options: Mapping[str, Any],
    fresh: Mapping[str, PyTree],
    image_size: int,
) -> dict[str, PyTree]:
    """The variables of a network with loaded branches; the rest stays freshly initialised.

    Where features are integrated a branch has no classifier, and the source's is dropped. Where logits are integrated
    it has a classifier of 1,000 classes; if the source's has another number, the branch's stays freshly initialised,
    and a line says so. Positional embeddings of another image size are resized, see `position_embedding.fit`.

    Args:
        model: name of the network.
        sources: as for `check`.
        options: options of the network.
        fresh: the network's freshly initialised `params` and `batch_stats`.
        image_size: side of the images in pixels, for positional embeddings.

    Raises:
        UserError: weights that do not exist or do not fit.
    """
    flat = {group: dict(flax.traverse_util.flatten_dict(tree)) for group, tree in fresh.items()}
    for branch, source in sources.items():
        if source == "random":
            continue
        name = _branch_model(model, branch, options)
        branch_options = dict(options.get(f"{branch}_options", {}))
        classes = IMAGENET_CLASSES
        if handoff.is_handoff(source):
            variables, card = handoff.load(source, model=name)
            classes = len(card.classes)
        else:
            variables = models.load_pretrained(name, source, IMAGENET_CLASSES, image_size=image_size, **branch_options)
        afresh = []
        for group, tree in flat.items():
            theirs = flax.traverse_util.flatten_dict(variables.get(group, {}))
            for path in [path for path in tree if path[0] == branch]:
                leaf, wanted = theirs.get(path[1:]), tree[path].shape
                if leaf is not None and path[-1] == position_embedding.NAME:
                    tokens = models.create(name, IMAGENET_CLASSES, **branch_options).tokens
                    leaf = position_embedding.fit(leaf, wanted, len(tokens), name)
                if leaf is not None and leaf.shape == wanted:
                    tree[path] = leaf
                elif leaf is not None and (*leaf.shape, IMAGENET_CLASSES) == (*wanted[:-1], classes, wanted[-1]):
                    afresh.append("/".join(path))
                else:
                    what = "nothing" if leaf is None else f"shape {leaf.shape}"
                    raise UserError(
                        f"{source} has {what} for {'/'.join(path)} of shape {wanted}: give the branch the model and "
                        "the options that the weights are of"
                    )
        if afresh:
            say(f"{source} has {classes} classes, not {IMAGENET_CLASSES}: {' and '.join(afresh)} initialised at random")
    return {group: flax.traverse_util.unflatten_dict(tree) for group, tree in flat.items()}


def _branch_model(model: str, branch: str, options: Mapping[str, Any]) -> str:
    return options.get(branch, BRANCHES[branch])
