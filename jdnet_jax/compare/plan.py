"""The runs of a comparison: every recipe with every seed, and before them the teachers that they start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_collections import ConfigDict

from jdnet_jax.compare import recipes
from jdnet_jax.config import teachers_first
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir


@dataclass(frozen=True)
class Run:
    """One training run of a comparison.

    Attributes:
        name: name of the run and of its folder.
        recipe: its recipe; '' for a teacher that other runs start from.
        seed: seed of the run.
        config: resolved config.
        place: its workdir.
        needs: names of the runs that must be finished before.
    """

    name: str
    recipe: str
    seed: int
    config: ConfigDict
    place: Workdir
    needs: tuple[str, ...] = ()


def make(file: str, names: Sequence[str], seeds: int, overrides: Sequence[str], folder: Path) -> list[Run]:
    """The runs seed by seed, each after the runs that it needs.

    A recipe that needs a trained teacher, but whose teacher is not, gets one (`teachers_first`), with the same seed:
    one for all recipes, handed over by `config.teachers.*.init`.

    Args:
        file: file of the config.
        names: names of the recipes, the config's arguments.
        seeds: number of seeds: 0, 1, ...
        overrides: see `recipes.load`.
        folder: folder of the comparison; each run has a folder in it.

    Raises:
        UserError: a recipe or value that cannot be, or a recipe that is named twice.
    """
    if len(set(names)) < len(names):
        raise UserError(f"--recipes={','.join(names)} names a recipe twice")
    configs = {name: recipes.load(file, name, overrides) for name in names}
    runs: dict[str, Run] = {}
    for seed in range(seeds):
        for recipe, template in configs.items():
            config = template.copy_and_resolve_references()
            config.seed = seed
            needs = []
            for teacher in teachers_first.untrained(config):
                needed = f"teacher_{teacher}-{seed}"
                if needed not in runs:
                    alone = teachers_first.of_teacher(config, teacher)
                    runs[needed] = Run(needed, "", seed, alone, Workdir(folder / needed))
                config.teachers[teacher].init = str(folder / needed)
                needs.append(needed)
            name = f"{recipe}-{seed}"
            runs[name] = Run(name, recipe, seed, config, Workdir(folder / name), tuple(needs))
    for run in runs.values():
        recipes.check(run.config, run.recipe or run.name)
    return list(runs.values())


def claim(runs: Sequence[Run]) -> None:
    """Claims the folder of each run, or checks that it already belongs to this run.

    Raises:
        UserError: a folder belongs to another run, or a process trains in it.
    """
    for run in runs:
        with run.place.held():
            run.place.claim(run.config)
