"""The runs of a comparison: every recipe with every seed, and before them the teachers that they start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_collections import ConfigDict

from jdnet_jax.compare import recipes
from jdnet_jax.config import teachers_first
from jdnet_jax.config.defaults import differences
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir, plain


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
        UserError: a recipe or value that cannot be, a recipe that is named twice, recipes that cannot share a teacher.
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
                alone = teachers_first.of_teacher(config, teacher)
                shared = runs.setdefault(needed, Run(needed, "", seed, alone, Workdir(folder / needed)))
                if unlike := differences(plain(alone), plain(shared.config)):
                    raise UserError(
                        f"the config's recipes train {teacher} differently before, in {', '.join(unlike)}, and compare "
                        f"shares one: train it first, and name it by --config.teachers.{teacher}.init=FOLDER"
                    )
                teachers_first.hand_over(config, teacher, folder / needed)
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
