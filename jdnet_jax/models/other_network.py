"""The check that weights do not belong to another network with the same shapes, by what their source says.

Tensors of `tf_efficientnet_b0` fit `efficientnet_b0`, DeiT's fit ViT's: only paddings, epsilons or the normalisation of
images differ, and with them most answers. The tensors cannot tell; the file's metadata and names can.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from jdnet_jax.models import registry
from jdnet_jax.process.errors import UserError

_TF = "tf_"  # timm's mark of networks with TensorFlow's padding and epsilons


def refuse(name: str, source: str, path: Path | None, said: str | None, alike: Callable[[str], bool]) -> None:
    """Refuses another network's weights.

    The first that names a network of the zoo counts: the file's metadata, a card beside it, its name or the hub's.

    Args:
        name: name of the network that is to load them.
        source: as `pretrained.load_pretrained` takes it.
        path: path of the file; None where it is not downloaded yet.
        said: the network's name in the file's metadata; None where it has none.
        alike: whether a network of the zoo has exactly the same tensors as `name`. Others differ in their tensors.

    Raises:
        UserError: names the network to choose instead.
    """
    told = ((where, _named(text)) for where, text in _evidence(source, path, said))
    where, networks = next(((where, networks) for where, networks in told if networks), ("", [name]))
    for other in networks if name not in networks else ():
        known = other in registry.names()
        if not (alike(other) if known else other.removeprefix(_TF) == name.removeprefix(_TF)):
            continue
        instead = f"choose --config.student.model={other} (or that teacher's model)" if known else "choose others"
        raise UserError(
            f"{source} holds weights of {other}, as {where} says, not of {name}: they would load, but give other "
            f"answers (padding, epsilons or normalisation differ); {instead}, or rename the source where it is wrong"
        )


def _evidence(source: str, path: Path | None, said: str | None) -> Iterator[tuple[str, str]]:
    if said:
        yield "the file", said
    if path is not None:
        yield from _beside(path)
    if path is None or not Path(source).expanduser().is_file():
        yield "its name", source.partition("@")[0].rpartition("/")[2]
    if path is not None:
        yield "its name", path.name
        yield "its folder", path.parent.name
        yield "its folder", next((folder.name for folder in path.parents if folder.name.startswith("models--")), "")


def _beside(path: Path) -> Iterator[tuple[str, str]]:
    """The network named in `model.json` (this project's) or `config.json` (the hub's) beside the weights."""
    whole_folder = [path.with_name("model.json"), path.with_name("config.json")] if path.stem == "model" else []
    for card in (path.with_name(f"{path.name}.model.json"), *whole_folder):
        try:
            fields = json.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(fields, dict):
            told = (fields.get(key) for key in ("model", "architecture"))
            yield from ((card.name, text) for text in told if isinstance(text, str))


def _named(text: str) -> list[str]:
    """The networks that a text names, a name inside a longer one left out."""
    plain = re.sub(r"[^a-z0-9]", "_", text.lower()[:500])
    spans = [(match.span(), name) for name, pattern in _patterns().items() for match in pattern.finditer(plain)]
    return [
        name
        for (begin, end), name in spans
        if not any(b <= begin and end <= e and (b, e) != (begin, end) for (b, e), _ in spans)
    ]


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """The zoo's names and those of the same networks with the other padding, whether the zoo has them or not."""
    names = {form for name in registry.names() for form in (name, _TF + name.removeprefix(_TF), name.removeprefix(_TF))}
    return {name: re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])") for name in names}
