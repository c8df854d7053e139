"""The differences that a comparison allows between its runs: what a recipe itself defines, and no more unless asked."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from jdnet_jax.config import teachers_first
from jdnet_jax.config.defaults import default, differences, filled
from jdnet_jax.config.recipes import RECIPES, apply_recipe
from jdnet_jax.config.routing import OWN_GROUPS, ROUTING, STUDENT, TEACHER
from jdnet_jax.models import hub
from jdnet_jax.run.workdir import plain

# What a comparison must hold still: the budget, the data and what is done to them, the student and how it is trained,
# and what is tested. `held` adds the student's optimiser and schedule, and label smoothing.
_HELD = (
    "steps",
    "epochs",
    "patience",
    "batch_size",
    "grad_accum",
    "sync_batch_norm",
    "image_size",
    "eval_image_size",
    "crop_fraction",
    "fit",
    "dataset",
    "augment",
    "select",
    "student",
    "resolutions",
    "ema_decay",
    "compute_dtype",
)
# Within those: where data lie and how they are read changes no result; a teacher's size is the recipe's affair.
_FREE = ("dataset.data_dir", "dataset.shuffle_buffer")
_SMOOTHING = "losses.*.options.label_smoothing"
_WEIGHING = "losses.ce.options.balance"  # of the classes
# What runs of one recipe with other seeds must share besides.
_OF_RECIPE = ("teachers", "teacher_selection", "losses", "blocks", "groups")


def held(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that all runs of a comparison must share.

    Keys that a run of an earlier version lacks have their default, which keeps that version's behaviour.
    """
    config = filled(config, plain(default()))
    kept = {key: config[key] for key in _HELD}
    # Decoded photos are smaller than the records; the latter are the same wherever they are kept.
    kept["dataset"] = {**config["dataset"], "cache": config["dataset"]["cache"] == "decoded"}
    kept["resolutions"] = {STUDENT: config["resolutions"].get(STUDENT, 0)}
    kept["epochs"] = 0 if config["steps"] else config["epochs"]
    groups = {name: group for name, group in config["groups"].items() if _network_of(name) not in config["teachers"]}
    student = groups.pop(STUDENT, {})
    for part in ("optimizer", "schedule"):
        kept[part] = {**config[part], **student.get(part, {})}
    kept["groups"] = {name: group for name, group in groups.items() if name not in OWN_GROUPS}
    smoothing = [config["losses"][term]["options"]["label_smoothing"] for term in _on(config, ("ce", "distill"))]
    kept[_SMOOTHING] = smoothing[0] if smoothing else None  # MEAL has no labels
    kept[_WEIGHING] = config["losses"]["ce"]["options"]["balance"]
    return kept


def unlike(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The differences between configs that a comparison must not have, a line each; empty if they may be compared.

    What a recipe defines, as `apply_recipe` changes the defaults, does not count between two recipes, but between two
    seeds of one; these must share losses and teachers as well.

    Args:
        configs: name -> resolved config, plain; each is compared with the first, and with the first of its recipe.
    """
    if not configs:
        return []
    (first, reference), *others = configs.items()
    peers = {reference["recipe"]: (first, reference)}
    lines = []
    for name, config in others:
        peer, same = peers.setdefault(config["recipe"], (name, config))
        if peer != first:
            defined = {*_defined(reference["recipe"]), *_defined(config["recipe"])}
            lines += _lines(name, config, first, reference, defined)
        if peer != name:
            lines += _lines(name, config, peer, same, set())
            ours, theirs = (_of_recipe(one) for one in (config, same))
            lines += [f"{name} differs from {peer} in config.{key}" for key in differences(theirs, ours)]
    return list(dict.fromkeys(lines))


def described(recipe: str, config: Mapping[str, Any]) -> str:
    """A recipe in one line: teachers, terms with their weights, and whatever else it defines.

    Args:
        recipe: its name in the comparison.
        config: config of one of its runs, resolved and plain.
    """
    config, usual = filled(config, plain(default())), plain(default())["losses"]
    first = teachers_first.untrained(config)
    teachers = [
        f"{entry['model']} ({_origin(entry, name in first)}, {'learns along' if entry['trainable'] else 'frozen'})"
        for name, entry in config["teachers"].items()
    ]
    terms = []
    for term in _on(config, config["losses"]):
        entry, standard = config["losses"][term], usual.get(term, {})
        options = {k: v for k, v in entry["options"].items() if v != standard.get("options", {}).get(k)}
        options |= {key: value for key, value in entry.items() if key not in standard}  # of an earlier version
        if entry["schedule"]["name"] != "constant":
            options["schedule"] = entry["schedule"]["name"]
        strengths = [value for name, value in entry["routing"].items() if name in config["teachers"]]
        if any(value != ROUTING[term][TEACHER] for value in strengths):
            options["r"] = " and ".join(map(str, dict.fromkeys(strengths)))  # how strongly it pulls on teachers
        told = ", ".join(f"{key} {value}" for key, value in options.items())
        terms.append(f"{term} {entry['weight']:g}" + (f" ({told})" if told else ""))
    kept = held(config)
    more = [f"{key} = {_at(kept, key)}" for key in _defined(config["recipe"]) if key != _SMOOTHING]
    parts = [f"teacher {', '.join(teachers)}" if teachers else "no teacher", f"losses {', '.join(terms)}", *more]
    return f"{recipe}: {'; '.join(parts)}"


def _origin(teacher: Mapping[str, Any], trained_first: bool) -> str:
    """The initial weights of a teacher in words; a path, which may differ by seed, is `trained before`."""
    known = teacher["init"] in ("random", "imagenet") or hub.is_id(str(teacher["init"]))
    return teacher["init"] if known and not trained_first else "trained before"


def _lines(name: str, config: Mapping, other: str, theirs: Mapping, defined: set[str]) -> list[str]:
    ours, reference = held(config), held(theirs)
    if None in (ours[_SMOOTHING], reference[_SMOOTHING]):
        defined = {*defined, _SMOOTHING}
    changed = [key for key in differences(reference, ours) if key not in _FREE and key not in defined]
    if "steps" in changed and "epochs" in changed:
        changed.remove("epochs")  # one says it, where only one of the two has steps
    return [f"{name} differs from {other} in config.{key}" for key in changed]


def _defined(recipe: str) -> list[str]:
    """The dotted names, in `held`, of the keys that a recipe changes; none for a recipe of another version."""
    if recipe not in RECIPES:
        return []
    return differences(held(plain(default())), held(plain(apply_recipe(default(), recipe))))


def _of_recipe(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that only runs of one recipe share; weights of teachers that are trained first differ by seed."""
    config = teachers_first.acting(filled(config, plain(default())))
    kept = {key: config[key] for key in _OF_RECIPE}
    kept["teachers"] = {name: {**entry, "init": ""} for name, entry in config["teachers"].items()}
    return kept


def _on(config: Mapping[str, Any], terms: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """The active ones among these terms: couplings need a teacher."""
    return [term for term in terms if config["losses"][term]["weight"] and (term == "ce" or config["teachers"])]


def _at(config: Mapping[str, Any], key: str) -> Any:
    return functools.reduce(lambda section, part: section[part], key.split("."), config)


def _network_of(group: str) -> str:
    """The network that a group belongs to; the group may be the network's head."""
    return group.partition("/")[0]
