"""The recipes: which networks, terms and weights each is, and whether a config is the recipe that it says.

This module imports neither JAX nor TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import COUPLINGS
from jdnet_jax.config.routing import ROUTING, STUDENT, TEACHER
from jdnet_jax.process.errors import UserError, unknown

#: MEAL's recipes: from frozen teachers alone, without labels; each with the mode of its discriminators.
MEAL_RECIPES = {
    "meal": "reversal",
    "meal_none": "none",
    "meal_joint": "joint",
    "meal_alternate": "alternate",
    "meal_v2": "reversal",
}
#: The recipes that distil from teachers that are trained already, and stay as they are.
FROM_FROZEN = ("kd", "at", "fitnet", "deit_hard", "deit_soft", *MEAL_RECIPES)
#: Those, and JDNet from teachers that are trained already and learn on.
TRAINED_BEFORE = (*FROM_FROZEN, "jdnet_trained")
RECIPES = ("jdnet", "ce", "dml", "jdnet_oneway", "jdnet-mskd", "jdnet-ial", "jdnet_meal", *TRAINED_BEFORE)


def apply_recipe(config: ConfigDict, recipe: str) -> ConfigDict:
    """Turns a config into one of the recipes at equal budget, data order and initialisation.

    `jdnet`: JDNet's terms as they are, and no others. `jdnet_oneway`: no gradient of the coupling terms into the
    teachers (r = 0). `jdnet-mskd` and `jdnet-ial`: JDNet without that term. `ce`: the student alone. `dml`: Deep Mutual
    Learning (Zhang et al., CVPR 2018): KL both ways at full strength. `jdnet_trained`: JDNet from teachers that were
    trained alone before, as `config.teachers.*.init` says, and learn on beside the student, see `_apply_trained`.
    From frozen teachers, of which `config.teachers.*.init` must then name trained weights: `kd`: one-way, KL only;
    `at` and `fitnet`: by their feature maps, see `_apply_features`; `deit_hard` and `deit_soft`: DeiT's distillation
    (Touvron et al., ICML 2021) into a student with a distillation token, instead of cross-entropy and the couplings.
    `meal` (Shen, He, Xue, AAAI 2019): from frozen teachers, one drawn for each step, without labels, the student
    against discriminators. `meal_none`, `meal_joint`, `meal_alternate`: the same with that mode instead of `reversal`.
    `meal_v2`: from the mean of their softmax, with one discriminator on the logits. `jdnet_meal`: JDNet with the
    teachers that are trained, MEAL with the frozen ones.

    Raises:
        UserError: unknown recipe.
    """
    if recipe not in RECIPES:
        raise UserError(unknown("recipe", recipe, RECIPES))
    config.recipe = recipe
    losses = config.losses
    trained = (STUDENT,) if recipe == "ce" else (STUDENT, *config.teachers)
    config.resolutions = {name: config.resolutions.get(name, 0) for name in trained}
    if recipe in (*MEAL_RECIPES, "jdnet_meal"):
        losses.similarity.weight = losses.similarity.weight or 1.0
        losses.adversarial.weight = losses.adversarial.weight or 1.0
        config.teacher_selection = "mean" if recipe == "meal_v2" else "random"
    else:
        losses.similarity.weight = losses.adversarial.weight = 0.0
        config.teacher_selection = "all"
    if recipe == "ce":
        for loss_entry in losses.values():
            loss_entry.routing = {k: v for k, v in loss_entry.routing.items() if k not in config.teachers}
        config.groups = {k: v for k, v in config.groups.items() if k not in config.teachers}
        config.blocks.stages = {k: v for k, v in config.blocks.stages.items() if k not in config.teachers}
        config.teachers = ConfigDict()
        return config
    if recipe in FROM_FROZEN:
        for entry in config.teachers.values():
            entry.trainable = False
        config.groups = {k: v for k, v in config.groups.items() if k not in config.teachers}
    if recipe in MEAL_RECIPES:
        _apply_meal(config, recipe)
        return config
    for term in COUPLINGS:
        strengths = dict.fromkeys(config.teachers, ROUTING[term][TEACHER])
        losses[term].routing = {**strengths, **losses[term].routing}
    match recipe:
        case "kd":
            losses.mskd.weight = losses.ial.weight = 0.0
            losses.kl.weight = losses.kl.weight or 1.0
        case "at" | "fitnet":
            _apply_features(losses, recipe)
        case "jdnet_trained":
            _apply_trained(config)
        case "dml":
            losses.mskd.weight = losses.ial.weight = 0.0
            losses.kl.weight = losses.kl.weight or 1.0
            losses.kl.options.temperature = 1.0
            losses.kl.routing.update(dict.fromkeys(config.teachers, 1.0))
        case "jdnet_oneway":
            for term in COUPLINGS:
                losses[term].routing.update(dict.fromkeys(config.teachers, 0.0))
        case "jdnet-mskd":
            losses.mskd.weight = 0.0
        case "jdnet-ial":
            losses.ial.weight = 0.0
        case "deit_hard" | "deit_soft":
            losses.ce.weight = losses.mskd.weight = losses.ial.weight = losses.kl.weight = 0.0
            losses.distill.weight = losses.distill.weight or 1.0
            losses.distill.options.variant = recipe.removeprefix("deit_")
            losses.distill.options.share = 0.1 if recipe == "deit_soft" else 0.5  # the paper's
    return config


def _apply_meal(config: ConfigDict, recipe: str) -> None:
    losses = config.losses
    for term in ("ce", *COUPLINGS, "distill"):
        losses[term].weight = 0.0
    losses.adversarial.options.mode = MEAL_RECIPES[recipe]
    if recipe == "meal_v2":
        config.blocks.lengths = losses.similarity.options.gammas = losses.adversarial.options.etas = ()
        config.blocks.stages = {}
        losses.adversarial.options.divisors = (8, 64)


# PAPER (Zagoruyko & Komodakis, released code): 1000 times the mean over the batch and the n positions of the squared
# difference, for each of three groups, whose maps have 8x8, 16x16 and 32x32 positions on CIFAR. Our distance is the sum
# over positions, so the weight is 1000 / n: 15.6 for the deepest, and a quarter of it for each stage of twice the side.
# (At 224 px the deepest has 7x7 positions, and the paper's 1000 / n is 20.4.)
_AT_WEIGHT = 1000.0 / (8 * 8)


def _apply_features(losses: ConfigDict, recipe: str) -> None:
    """The two classics that distil feature maps alone, as variants of MSKD at constant weight.

    `at` (Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017): the attention maps of the config's
    stages, each with the paper's weight, see `_AT_WEIGHT`. OURS: those stages.
    `fitnet` (Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015): a middle stage through an adapter. OURS:
    stage 1, the distance of maps of unit length, the config's weight of MSKD, and one phase: the hint beside
    cross-entropy from the first step to the last, where FitNets train the first layers by the hint before the rest.
    """
    losses.ial.weight = losses.kl.weight = 0.0
    losses.mskd.schedule.name = "constant"
    if recipe == "at":
        options = losses.mskd.options
        losses.mskd.weight, options.variant = _AT_WEIGHT, "attention"
        options.stage_weights = options.stage_weights or tuple(4.0 ** (s - max(options.stages)) for s in options.stages)
    else:
        _apply_hint(losses.mskd)


def _apply_hint(mskd: ConfigDict) -> None:
    mskd.options.update(variant="l2", stages=(1,), stage_weights=())
    mskd.schedule.name = "constant"
    mskd.weight = mskd.weight or 1.0


def _apply_trained(config: ConfigDict) -> None:
    """JDNet where the teachers know the task from the first step on.

    OURS: MSKD is FitNets' hint (stage 1, maps of unit length, constant weight), as such a teacher's middle features are
    worth following at once, and its learning rate is a tenth of the student's, so that what it knows is kept.
    """
    _apply_hint(config.losses.mskd)
    for name in config.teachers:
        own = {"schedule": {"learning_rate": 0.1 * config.schedule.learning_rate}}
        config.groups[name] = config.groups.get(name, own)


def check(config: ConfigDict, *, weights: bool = True) -> None:
    """The recipe's name goes into tables, so it must be what is trained: it is applied when the config is made.

    Args:
        config: with teachers, losses and routing of its own.
        weights: whether the teachers that need to be trained must be.

    Raises:
        UserError: the teachers, weights or routing of a config are not those of its recipe, or a teacher is not trained
            that it needs to be.
    """
    recipe = config.recipe
    if recipe not in RECIPES:
        raise UserError(f"config.recipe: {unknown('recipe', recipe, RECIPES)}")
    if not _is(config, recipe):
        raise UserError(
            f"config.recipe is {recipe!r}, but these teachers, weights and routing are not: run --config=FILE:RECIPE "
            f"with one of {', '.join(RECIPES)}"
        )
    if weights:
        for name, entry in config.teachers.items():
            if (not entry.trainable or recipe == "jdnet_trained") and entry.init == "random":
                raise UserError(
                    f"config.teachers.{name}.init is random: recipe {recipe} needs a teacher that is trained"
                )


def _is(config: ConfigDict, recipe: str) -> bool:
    losses, teachers = config.losses, config.teachers
    some, frozen = len(teachers) > 0, [name for name, entry in teachers.items() if not entry.trainable]
    fixed = some and len(frozen) == len(teachers)
    mode = losses.adversarial.options.mode if losses.adversarial.weight > 0 else "none"
    on = {term for term in (*COUPLINGS, "distill", "similarity") if losses[term].weight > 0}
    if mode != "none":
        on.add("adversarial")
    variant, stages = losses.mskd.options.variant, losses.mskd.options.stages
    pulls = [losses[term].routing.get(name, ROUTING[term][TEACHER]) for term in COUPLINGS for name in teachers]
    jdnet = some and on <= {"mskd", "ial", "kl"}
    meal = fixed and "similarity" in on and on <= {"similarity", "adversarial"} and losses.ce.weight == 0
    match recipe:
        case "ce":
            return not some
        case "jdnet":
            return jdnet and {"mskd", "ial"} <= on
        case "jdnet_trained":
            return jdnet and not frozen and {"mskd", "ial"} <= on and variant == "l2" and len(stages) == 1
        case "jdnet_oneway":
            return jdnet and {"mskd", "ial"} <= on and not any(pulls)
        case "jdnet-mskd":
            return jdnet and "ial" in on and "mskd" not in on
        case "jdnet-ial":
            return jdnet and "mskd" in on and "ial" not in on
        case "kd":
            return fixed and on == {"kl"}
        case "at":
            return fixed and on == {"mskd"} and variant == "attention"
        case "fitnet":
            return fixed and on == {"mskd"} and variant == "l2" and len(stages) == 1
        case "dml":
            return some and not frozen and on == {"kl"}
        case "deit_hard" | "deit_soft":
            own = f"deit_{losses.distill.options.variant}" == recipe
            return fixed and on == {"distill"} and losses.ce.weight == 0 and own
        case "jdnet_meal":
            return 0 < len(frozen) < len(teachers) and {"mskd", "ial", "similarity"} <= on
        case "meal_v2":
            return meal and mode == "reversal" and config.teacher_selection == "mean" and not config.blocks.lengths
    return meal and mode == MEAL_RECIPES[recipe]
