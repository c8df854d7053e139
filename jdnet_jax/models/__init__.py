"""The model zoo: networks by name, their published weights, and what each of them returns."""

from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.pretrained import find_weights, load_pretrained
from jdnet_jax.models.registry import create, names
from jdnet_jax.models.spec import InputSpec, Stage

__all__ = ["InputSpec", "Outputs", "Stage", "create", "find_weights", "load_pretrained", "names"]
