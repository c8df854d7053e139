"""The roles that networks play, and the table of which term sends gradient to which role.

A coupling term d(s, t) between the student's output s and a teacher's output t enters the objective as
d(s, sg t) + r * d(sg s, t), where sg stops gradients (OURS: the papers do not say how strongly a student may pull on
its teacher). `losses.routing` does that by scaling gradients. This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping

STUDENT, TEACHER, ADAPTERS = "student", "teacher", "adapters"

# term -> role -> strength of the gradient that the term sends to networks of that role; r is a coupling's cell of the
# teachers. A frozen teacher receives nothing whatever stands here. A config's `routing` overrides single cells, by
# network name.
ROUTING: Mapping[str, Mapping[str, float]] = {
    "ce": {STUDENT: 1.0, TEACHER: 1.0, ADAPTERS: 0.0},
    "mskd": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 1.0},
    "ial": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0},
    "kl": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0},
    # PAPER (DeiT): the teacher is trained beforehand and fixed.
    "distill": {STUDENT: 1.0, TEACHER: 0.0, ADAPTERS: 0.0},
}
