"""Timings of both forms of the depthwise convolution and of its gradients, for the layers of a config's networks.

Which one is faster depends on the platform (`models.depthwise`): this checks the choice made there on this machine.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from flax import linen as nn
from jaxtyping import Array
from ml_collections import ConfigDict

from jdnet_jax.benchmark import machine, made_up
from jdnet_jax.models import depthwise, padding
from jdnet_jax.models.layers import DepthwiseConv
from jdnet_jax.models.padding import Pads
from jdnet_jax.process.errors import UserError

# Convolutions in a timed program, each of different images: an accelerator takes longer to start a program than to
# compute one of them.
_TOGETHER_ON_ACCELERATOR = 16

FORMS: Mapping[str, depthwise.Form] = {"shifted": depthwise.SHIFTED, "grouped": depthwise.GROUPED}
WHAT = ("forward", "gradients")


class Layer(NamedTuple):
    """One shape of a depthwise convolution, for one image."""

    height: int
    width: int
    channels: int
    kernel_size: int
    stride: int
    pads: Pads

    def __str__(self) -> str:
        """The text `112x112x32 3x3/1`: image, kernel and stride."""
        return f"{self.height}x{self.width}x{self.channels} {self.kernel_size}x{self.kernel_size}/{self.stride}"


def measure(config: ConfigDict, classes: int, seconds: float) -> dict[str, Any]:
    """Times every shape of depthwise convolution in the config's networks, at the batch that one device has.

    Args:
        config: a run's; its data are not needed.
        classes: number of classes.
        seconds: how long each figure is measured, after a warm-up.

    Returns:
        `layers`: for each shape, how many there are, how many of them in networks that are trained and, by form and by
        what, the median in seconds; `total`: the sums over what a train step computes: all layers forward, the
        gradients of those that are trained; `used`: the form that this platform gets; and the setting.

    Raises:
        UserError: a mistake in the config; no network has a depthwise convolution.
    """
    networks = made_up.build(config, classes).networks
    counts: Counter[Layer] = Counter()
    trained: Counter[Layer] = Counter()
    for network in networks.values():
        of_network = layers(network.module, network.image_size)
        counts += of_network
        trained += of_network if network.trainable else Counter()
    if not counts:
        names = " and ".join(network.model for network in networks.values())
        raise UserError(f"{names}: no depthwise convolution to measure; name a config with a mobile network")
    batch = config.batch_size // jax.device_count() // config.grad_accum
    rows: list[dict[str, Any]] = [
        {
            "layer": layer._asdict(),
            "name": str(layer),
            "count": count,
            "trained": trained[layer],
            "seconds": _time(layer, batch, config, seconds),
        }
        for layer, count in counts.items()
    ]
    total = {
        name: {
            what: sum(row[counted] * row["seconds"][name][what] for row in rows)
            for what, counted in zip(WHAT, ("count", "trained"), strict=True)
        }
        for name in FORMS
    }
    return {
        "networks": {name: network.model for name, network in networks.items()},
        "batch_size": batch,
        "compute_dtype": config.compute_dtype,
        "machine": machine.describe(),
        "used": "shifted" if jax.default_backend() == "cpu" else "grouped",
        "layers": rows,
        "total": total,
    }


def table(result: dict[str, Any]) -> str:
    """The result of `measure` as text."""
    where = result["machine"]
    columns = [(name, what) for what in WHAT for name in FORMS]
    rows = [(row["name"], f"x{row['count']}", row["seconds"]) for row in result["layers"]]
    rows.append(("in a train step", "", result["total"]))
    lines = [
        f"depthwise convolutions of {' + '.join(result['networks'].values())}, batch {result['batch_size']} a device, "
        f"{result['compute_dtype']}",
        f"{where['device']} ({where['processor']}, {where['cpus']} CPUs), JAX {where['jax']}; this platform's form: "
        f"{result['used']}",
        f"{'ms':<24}{'':>4}" + "".join(f"{f'{what}, {name}':>21}" for name, what in columns),
    ]
    for name, count, seconds in rows:
        cells = "".join(f"{1e3 * seconds[form][what]:>21.3f}" for form, what in columns)
        lines.append(f"{name:<24}{count:>4}{cells}")
    return "\n".join(lines)


def layers(module: nn.Module, image_size: int) -> Counter[Layer]:
    """The depthwise convolutions of a network by shape, with how often each occurs; nothing is computed."""
    counts: Counter[Layer] = Counter()

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if isinstance(layer, DepthwiseConv) and context.method_name == "__call__":
            height, width, channels = args[0].shape[1:]
            pads = padding.resolve(layer.padding, (height, width), layer.kernel_size, layer.stride)
            counts[Layer(height, width, channels, layer.kernel_size, layer.stride, pads)] += 1
        return call(*args, **kwargs)

    images = module.input_spec.one_image(image_size)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda x: module.init(jax.random.key(0), x), images)
    return counts


def _time(layer: Layer, batch: int, config: ConfigDict, seconds: float) -> dict[str, dict[str, float]]:
    """The median seconds of each form and pass."""
    together = 1 if jax.default_backend() == "cpu" else _TOGETHER_ON_ACCELERATOR
    keys = jax.random.split(jax.random.key(config.seed), 2 * together + 1)

    def draw(key: Array, *shape: int) -> Array:
        return jax.random.normal(key, shape, config.compute_dtype)

    images = [draw(key, batch, layer.height, layer.width, layer.channels) for key in keys[:together]]
    xs = [depthwise.pad(image, layer.pads) for image in images]
    kernel = draw(keys[-1], layer.kernel_size, layer.kernel_size, 1, layer.channels)
    times = {}
    for name, form in FORMS.items():
        shape = jax.eval_shape(functools.partial(form.convolve, stride=layer.stride), xs[0], kernel).shape
        gs = [draw(key, *shape) for key in keys[together:-1]]
        convolve = jax.jit(functools.partial(_convolve, form, layer.stride))
        gradients = jax.jit(functools.partial(_gradients, form, layer.stride))
        times[name] = {
            "forward": _median(functools.partial(convolve, xs, kernel), seconds) / together,
            "gradients": _median(functools.partial(gradients, xs, kernel, gs), seconds) / together,
        }
    return times


def _convolve(form: depthwise.Form, stride: int, xs: list[Array], kernel: Array) -> list[Array]:
    return [form.convolve(x, kernel, stride=stride) for x in xs]


def _gradients(form: depthwise.Form, stride: int, xs: list[Array], kernel: Array, gs: list[Array]) -> list[Any]:
    return [form.gradients(x, kernel, g, stride=stride) for x, g in zip(xs, gs, strict=True)]


def _median(run: Callable[[], Any], seconds: float) -> float:
    return machine.summary(machine.timed(run, seconds))["median"]
