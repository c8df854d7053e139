"""The table of the recipes: networks, terms with their weights, options and routing of each.

`recipes` applies a row to a config, checks a config against it, and prints the table. This module imports neither JAX
nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.keys import COUPLINGS, PROBE, TERMS

# What a recipe's teachers are.
NONE = "none"
ANY = "any"  # some, each trained or frozen as the config says
LEARNING = "learning"  # all of them learn
BEFORE = "trained before"  # all of them learn, and were trained before
FROZEN = "frozen"  # all of them were trained before, and stay as they are
MIXED = "mixed"  # at least one learns, and at least one is frozen

# What a recipe says of a term; the terms that it does not name are off.
ON = "on"  # acts, with the config's weight, or 1 where that is 0
OFFERED = "offered"  # likewise, and may be switched off
KEPT = "kept"  # acts, with the config's weight
FREE = "free"  # as the config says, on or off


@dataclass(frozen=True)
class Recipe:
    """A row of the table.

    Attributes:
        what: it is, in one line.
        teachers: `NONE` to `MIXED`.
        terms: term -> `ON` to `FREE`.
        holds: dotted key of the config -> value, without which a config is not this recipe; of a tuple the length
            counts. The name `*` means each teacher.
        sets: likewise, but values that a config may change. A function is called with the config.
        teacher_rate: learning rate of each teacher as a share of the config's, where the config names none; 0 = all
            the same.
    """

    what: str
    teachers: str
    terms: Mapping[str, str]
    holds: Mapping[str, Any] = field(default_factory=dict)
    sets: Mapping[str, Any] = field(default_factory=dict)
    teacher_rate: float = 0.0


def _jdnet(**changes: str) -> dict[str, str]:
    return {"ce": FREE, "mskd": KEPT, "ial": KEPT, "kl": FREE, **changes}


# Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017. PAPER (released code): 1000 times the mean
# over the batch and the n positions of the squared difference, for each of three groups, whose maps have 8x8, 16x16 and
# 32x32 positions on CIFAR. Our distance is the sum over positions, so the weight is 1000 / n: 15.6 for the deepest, and
# a quarter of it for each stage of twice the side. (At 224 px the deepest has 7x7 positions, for which 1000 / n is
# 20.4.) OURS: the config's stages.
_AT_WEIGHT = 1000.0 / (8 * 8)


def _at_stage_weights(config: ConfigDict) -> tuple[float, ...]:
    options = config.losses.mskd.options
    return tuple(options.stage_weights) or tuple(4.0 ** (s - max(options.stages)) for s in options.stages)


# Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015: a middle stage through an adapter. OURS: stage 1, the
# distance of maps of unit length, the config's weight of MSKD, and one phase: the hint beside cross-entropy from the
# first step to the last, where FitNets train the first layers by the hint before the rest.
_HINT = {"losses.mskd.options.variant": "l2", "losses.mskd.options.stages": (1,)}
_HINT_SETS = {"losses.mskd.options.stage_weights": (), "losses.mskd.schedule.name": "constant"}


def _trained(what: str, terms: Mapping[str, str], **holds: Any) -> Recipe:
    """JDNet from teachers that were trained before.

    OURS: a trained teacher's predictions and maps are worth following from the first step on, so KL acts too and the
    couplings do not grow from nothing; its learning rate is a tenth of the student's, so that what it knows is kept.
    """
    sets = {f"losses.{term}.schedule.name": "constant" for term in ("mskd", "ial")}
    return Recipe(what, BEFORE, {**terms, "kl": OFFERED}, holds, sets, teacher_rate=0.1)


_ONE_WAY = {f"losses.{term}.routing.*": 0.0 for term in COUPLINGS}
_WITHOUT_MSKD = {"ce": FREE, "ial": KEPT, "kl": FREE}
_WITHOUT_IAL = {"ce": FREE, "mskd": KEPT, "kl": FREE}


def _meal(what: str, mode: str, **changes: Any) -> Recipe:
    terms = {"similarity": ON, "adversarial": OFFERED if mode == "none" else ON}
    holds = {"losses.adversarial.options.mode": mode, **changes.get("holds", {})}
    return Recipe(what, FROZEN, terms, holds, {"teacher_selection": "random", **changes.get("sets", {})})


def _deit(what: str, variant: str, share: float) -> Recipe:
    holds = {"losses.distill.options.variant": variant}
    return Recipe(what, FROZEN, {"distill": ON}, holds, {"losses.distill.options.share": share})


RECIPES: Mapping[str, Recipe] = {
    "jdnet": Recipe("student and teachers learn together: cross-entropy, MSKD and IAL", ANY, _jdnet()),
    "ce": Recipe(
        "the student alone", NONE, {term: FREE for term in TERMS if term not in ("similarity", "adversarial")}
    ),
    PROBE: Recipe("a linear classifier fitted to the features of the student as it comes", NONE, {"ce": FREE}),
    "dml": Recipe(
        "Deep Mutual Learning (Zhang et al., CVPR 2018): KL both ways at full strength",
        LEARNING,
        {"ce": FREE, "kl": ON},
        sets={"losses.kl.options.temperature": 1.0, "losses.kl.routing.*": 1.0},
    ),
    "jdnet_oneway": Recipe(
        "JDNet whose couplings send the teachers no gradient (r = 0)",
        ANY,
        _jdnet(),
        holds=_ONE_WAY,
    ),
    "jdnet-mskd": Recipe("JDNet without MSKD", ANY, _WITHOUT_MSKD),
    "jdnet-ial": Recipe("JDNet without IAL", ANY, _WITHOUT_IAL),
    "jdnet_meal": Recipe(
        "JDNet with the teachers that learn, MEAL with the frozen ones",
        MIXED,
        _jdnet(similarity=ON, adversarial=OFFERED, distill=FREE, dist=FREE),
        sets={"teacher_selection": "random"},
    ),
    "kd": Recipe(
        "distillation from a frozen teacher's logits (Hinton et al., 2015), beside cross-entropy",
        FROZEN,
        {"ce": FREE, "kl": ON},
    ),
    "at": Recipe(
        "attention transfer from a frozen teacher (Zagoruyko & Komodakis, ICLR 2017)",
        FROZEN,
        {"ce": FREE, "mskd": KEPT},
        holds={"losses.mskd.options.variant": "attention"},
        sets={
            "losses.mskd.weight": _AT_WEIGHT,
            "losses.mskd.options.stage_weights": _at_stage_weights,
            "losses.mskd.schedule.name": "constant",
        },
    ),
    "fitnet": Recipe(
        "a frozen teacher's middle stage as a hint (Romero et al., ICLR 2015)",
        FROZEN,
        {"ce": FREE, "mskd": ON},
        holds=_HINT,
        sets=_HINT_SETS,
    ),
    "dist": Recipe(
        "correlation with a frozen teacher's predictions (Huang et al., NeurIPS 2022), beside cross-entropy",
        FROZEN,
        {"ce": FREE, "dist": ON},
    ),
    # PAPER: the same view for both, mixtures of photos with shares drawn evenly from [0, 1], KL alone, without labels.
    # Its temperatures are 1 to 10; here the config's.
    "patient": Recipe(
        "function matching (Beyer et al., CVPR 2022): KL alone from a frozen teacher, on mixtures of photos",
        FROZEN,
        {"kl": ON},
        holds={"augment.mixup": 1.0, "augment.cutmix": 0.0, "augment.mix_probability": 1.0},
    ),
    # The shares are the paper's.
    "deit_hard": _deit("DeiT's distillation (Touvron et al., ICML 2021) by a frozen teacher's answers", "hard", 0.5),
    "deit_soft": _deit("DeiT's distillation by a frozen teacher's probabilities", "soft", 0.1),
    "meal": _meal("MEAL (Shen et al., AAAI 2019): from frozen teachers by turns, without labels", "reversal"),
    "meal_none": _meal("MEAL without discriminators", "none"),
    "meal_joint": _meal("MEAL as released: student and discriminators descend one loss", "joint"),
    "meal_alternate": _meal("MEAL where student and discriminators take turns", "alternate"),
    "meal_v2": _meal(
        "MEAL V2: from the mean of the frozen teachers' softmax, one discriminator on the logits",
        "reversal",
        holds={"teacher_selection": "mean", "blocks.lengths": ()},
        sets={
            "teacher_selection": "mean",
            "blocks.stages": {},
            "losses.similarity.options.gammas": (),
            "losses.adversarial.options.etas": (),
            "losses.adversarial.options.divisors": (8, 64),
        },
    ),
    "jdnet_trained": _trained("JDNet and KL from teachers that were trained before and learn on", _jdnet()),
    "jdnet_trained_oneway": _trained("jdnet_trained with one-way couplings (r = 0)", _jdnet(), **_ONE_WAY),
    "jdnet_trained-mskd": _trained("jdnet_trained without MSKD", _WITHOUT_MSKD),
    "jdnet_trained-ial": _trained("jdnet_trained without IAL", _WITHOUT_IAL),
}
