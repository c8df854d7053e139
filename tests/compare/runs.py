"""Finished runs as a comparison reads them, made by hand."""

import json

import numpy as np

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.files import array_file
from jdnet_jax.run.workdir import Workdir

PROTOCOL = "drawn: train 9, val 5, test 4"


def finish(place, config, hits, *, rate=50.0, teachers=()):
    """Leaves in a workdir what a run of this config leaves whose student is right on these photos of test."""
    place.claim(config)
    hits = np.asarray(hits, bool)
    test = {"top1": float(hits.mean()), "top5": 1.0, "macro_f1": 0.5, "loss": 1.0, "count": len(hits)}
    student = {"model": "resnet_tiny", "params": 80_000, "multiply_adds": 4_000_000, "val": test, "test": test}
    summary = {
        "recipe": config.recipe,
        "dataset": config.dataset.name,
        "protocol": PROTOCOL,
        "step": config.steps,
        "steps": config.steps,
        "seed": config.seed,
        "images_per_second": rate,
        "student": student,
        "teachers": {name: {**student, "test": {**test, "top1": top1}} for name, top1 in teachers},
    }
    array_file.write(place.evaluation, {"test/label": np.ones(len(hits), int), "test/prediction": hits.astype(int)})
    place.summary.write_text(json.dumps(summary))


def config(recipe, seed, **changes):
    result = recipes.apply_recipe(config_lib.default(), recipe)
    result.seed, result.steps, result.batch_size = seed, 100, 8
    result.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return result


def make(folder, recipe, seed, hits, *, rate=50.0, teachers=(), **changes):
    """The workdir of such a run."""
    place = Workdir(folder / f"{recipe}-{seed}")
    finish(place, config(recipe, seed, **changes), hits, rate=rate, teachers=teachers)
    return place
