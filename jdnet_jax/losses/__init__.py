"""Loss terms as pure functions, the routing of their gradients, and their weighted sum."""

from jdnet_jax.losses.objective import Term, build, evaluate, first_norms, init

__all__ = ["Term", "build", "evaluate", "first_norms", "init"]
