"""The export formats, and how each can be quantised.

This module imports neither JAX nor TensorFlow, so that `--help` and a mistyped flag answer at once.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping

from jdnet_jax.process.errors import UserError


@dataclasses.dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        suffix: suffix of the file's name; '' for a folder of any name.
        quantizations: values of `--quantize`.
        outputs: values of `--outputs`, the default first.
        extra: the package's extra that the format needs; '' for none.
        modules: the modules that the extra installs.
        runs_here: whether the project opens such a file again, to compare it with the student and to predict.
    """

    suffix: str
    quantizations: tuple[str, ...] = ("none",)
    outputs: tuple[str, ...] = ("probabilities+activation",)
    extra: str = ""
    modules: tuple[str, ...] = ()
    runs_here: bool = True


FORMATS: Mapping[str, Format] = {
    "tflite": Format(
        ".tflite",
        ("none", "float16", "dynamic", "int8"),
        # Tools for Android take a second output for a second classifier, or refuse the file.
        ("probabilities", "probabilities+activation"),
        "export",
        ("ai_edge_litert",),
    ),
    "stablehlo": Format(".stablehlo"),
    "saved_model": Format(""),
    "onnx": Format(".onnx", extra="onnx", modules=("onnx", "onnxruntime")),
    "coreml": Format(
        ".mlpackage",
        ("none", "float16"),
        ("probabilities", "probabilities+activation"),
        extra="coreml",
        modules=("coremltools", "stablehlo_coreml"),
        runs_here=False,
    ),
    "safetensors": Format(".safetensors"),
}

#: What an exported file computes in, by `--quantize`.
DTYPES: Mapping[str, str] = {"none": "float32", "float16": "float16", "dynamic": "dynamic", "int8": "int8"}


def check(name: str, quantize: str, outputs: str = "") -> Format:
    """The format of a name; `outputs` may be '' for the format's default.

    Raises:
        UserError: there is no such format, it cannot be quantised so or have these outputs, or what it needs is not
            installed.
    """
    if name not in FORMATS:
        raise UserError(f"--format={name} is unknown; choose one of {', '.join(FORMATS)}")
    chosen = FORMATS[name]
    if quantize not in DTYPES:
        raise UserError(f"--quantize={quantize} is unknown; choose one of {', '.join(DTYPES)}")
    if quantize not in chosen.quantizations:
        able = ", ".join(other for other, entry in FORMATS.items() if quantize in entry.quantizations)
        raise UserError(f"--format={name} has no --quantize={quantize}; {able} has, or leave it at none")
    if outputs and outputs not in chosen.outputs:
        raise UserError(f"--format={name} has no --outputs={outputs}; choose {' or '.join(chosen.outputs)}")
    if any(importlib.util.find_spec(module) is None for module in chosen.modules):
        raise UserError(
            f"--format={name} needs {' and '.join(chosen.modules)}: pip install 'jdnet-jax[{chosen.extra}]'"
        )
    return chosen
