"""Loss terms as pure functions, the routing of their gradients, and their weighted sum."""

from jdnet_jax.losses.objective import Term, build, evaluate, init

__all__ = ["Term", "build", "evaluate", "init"]
