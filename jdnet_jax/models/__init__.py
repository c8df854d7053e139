"""The model zoo: networks by name, their published weights, and their outputs.

The names are imported when they are first used, so that `python -m jdnet_jax.models --help` answers without JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jdnet_jax.models.outputs import Outputs
    from jdnet_jax.models.pretrained import check_weights, find_weights, load_pretrained
    from jdnet_jax.models.registry import create, create_backbone, names
    from jdnet_jax.models.spec import InputSpec, Stage
    from jdnet_jax.models.torch_writer import to_torch

__all__ = [
    "InputSpec",
    "Outputs",
    "Stage",
    "check_weights",
    "create",
    "create_backbone",
    "find_weights",
    "load_pretrained",
    "names",
    "to_torch",
]

_MODULES = {
    "InputSpec": "spec",
    "Outputs": "outputs",
    "Stage": "spec",
    "check_weights": "pretrained",
    "create": "registry",
    "create_backbone": "registry",
    "find_weights": "pretrained",
    "load_pretrained": "pretrained",
    "names": "registry",
    "to_torch": "torch_writer",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
