"""The roles that networks play, and the table of which term sends gradient to which role.

A coupling term d(s, t) between the student's output s and a teacher's output t enters the objective as
d(s, sg t) + r * d(sg s, t), where sg stops gradients (OURS: the papers do not say how strongly a student may pull on
its teacher). `losses.routing` does that by scaling gradients. This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping

STUDENT, TEACHER, ADAPTERS, DISCRIMINATORS = "student", "teacher", "adapters", "discriminators"

#: Groups of parameters that belong to loss terms rather than to a network.
OWN_GROUPS = (ADAPTERS, DISCRIMINATORS)

#: The name under which the frozen teachers enter the objective together, where one is drawn or their mean is taken.
ENSEMBLE = "ensemble"

#: How the frozen teachers of a run take part in a step: each for itself, one drawn for each step, or their mean.
SELECTIONS = ("all", "random", "mean")

#: What the student does about the discriminators' loss (`losses.adversarial`).
ADVERSARIAL_MODES = ("none", "joint", "reversal", "alternate")

# term -> role -> strength of the gradient that the term sends to networks of that role; r is a coupling's cell of the
# teachers. A frozen teacher receives nothing whatever stands here. A config's `routing` overrides single cells, by
# network name.
ROUTING: Mapping[str, Mapping[str, float]] = {
    "ce": {STUDENT: 1.0, TEACHER: 1.0, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
    "mskd": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 1.0, DISCRIMINATORS: 0.0},
    "ial": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
    "kl": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
    # MEAL's teachers are frozen. The student climbs the discriminators' loss, which they descend; in the mode `joint`
    # its cell has the other sign.
    "similarity": {STUDENT: 1.0, TEACHER: 0.0, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
    "adversarial": {STUDENT: -1.0, TEACHER: 0.0, ADAPTERS: 0.0, DISCRIMINATORS: 1.0},
    # PAPER (DeiT, DIST): the teacher is trained beforehand and fixed.
    "dist": {STUDENT: 1.0, TEACHER: 0.0, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
    "distill": {STUDENT: 1.0, TEACHER: 0.0, ADAPTERS: 0.0, DISCRIMINATORS: 0.0},
}
