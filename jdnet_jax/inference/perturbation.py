"""Perturbations: changes of photos that should not change a robust network's answer, for `evaluate --perturb`.

Each works on the pixels that the network sees, after the crop of evaluation, and is a pure function of these, of a seed
and of the photo's number in its split: the same photo is changed alike for every model and format, whichever others are
evaluated beside it.

The RveRNet paper (Jin, 2024; arXiv 2407.08257) tests `permutation:16` and `translocation:60,-85` on views of 224
pixels. The others are OURS, after the noises, blurs and JPEG compression of ImageNet-C (Hendrycks, Dietterich,
ICLR 2019), whose strengths they do not reproduce.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image
from scipy import ndimage

from jdnet_jax.process.errors import UserError, unknown

View = UInt8[np.ndarray, "size size 3"]

GREY = 125  # of what a translocation uncovers, as in the paper's release

_PAPER_SIZE = 224  # pixels; of the views that the paper moves by (60, -85)


@runtime_checkable
class Perturbation(Protocol):
    """One kind of change, with its strength."""

    def check(self, size: int) -> None:
        """Refuses views of a size that the change is not made for.

        Raises:
            UserError: says why, and what would do.
        """
        ...

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """The changed view, a new array."""
        ...


@dataclasses.dataclass(frozen=True)
class Permutation:
    """Permutation of patches: the view is cut into patches, which are put back in a uniformly random order.

    Attributes:
        patch: side of the patches in pixels.
    """

    patch: int

    def check(self, size: int) -> None:
        """Refuses a size that is not a multiple of the patch's side, or not larger than it."""
        if size % self.patch or size == self.patch:
            fitting = ", ".join(str(side) for side in range(2, size // 2 + 1) if size % side == 0)
            raise UserError(
                f"--perturb=permutation:{self.patch}: the model's {size} pixels cannot be cut into patches of "
                f"{self.patch}; sides that fit are {fitting or 'none'}"
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Shuffles the patches."""
        return permuted(view, self.patch, rng.permutation((len(view) // self.patch) ** 2))


@dataclasses.dataclass(frozen=True)
class Translocation:
    """Translocation: the view's content moves; the area that it leaves is grey, and what leaves the view is lost.

    Attributes:
        right: offset in pixels; negative to the left.
        down: offset in pixels; negative upwards.
    """

    right: int
    down: int

    def check(self, size: int) -> None:
        """Refuses a move that leaves nothing of the view."""
        if max(abs(self.right), abs(self.down)) >= size:
            right, down = (round(offset * size / _PAPER_SIZE) for offset in (60, -85))
            raise UserError(
                f"--perturb=translocation:{self.right},{self.down} moves everything out of the model's {size} x {size} "
                f"pixels; there the paper's 60,-85 of {_PAPER_SIZE} is {right},{down}"
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Moves the content."""
        size = len(view)
        moved = np.full_like(view, GREY)
        target, source = (
            tuple(slice(max(0, sign * offset), min(size, size + sign * offset)) for offset in (self.down, self.right))
            for sign in (1, -1)
        )
        moved[target] = view[source]
        return moved


@dataclasses.dataclass(frozen=True)
class Blur:
    """Gaussian blur.

    Attributes:
        sigma: standard deviation in pixels.
    """

    sigma: float

    def check(self, size: int) -> None:
        """Any size will do."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Blurs each channel; beyond its edges the view is taken to be mirrored."""
        blurred = ndimage.gaussian_filter(view.astype(np.float32), (self.sigma, self.sigma, 0), mode="reflect")
        return _to_uint8(blurred)


@dataclasses.dataclass(frozen=True)
class Noise:
    """Gaussian noise, drawn independently for each pixel and channel.

    Attributes:
        sigma: standard deviation in grey levels of 255.
    """

    sigma: float

    def check(self, size: int) -> None:
        """Any size will do."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Adds the noise; values beyond 0 and 255 are cut off."""
        return _to_uint8(view + self.sigma * rng.standard_normal(view.shape))


@dataclasses.dataclass(frozen=True)
class Jpeg:
    """JPEG compression, as Pillow does it.

    Attributes:
        quality: 1 to 95.
    """

    quality: int

    def check(self, size: int) -> None:
        """Any size will do."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Compresses and decodes."""
        file = io.BytesIO()
        Image.fromarray(view).save(file, "JPEG", quality=self.quality)
        with Image.open(file) as image:
            return np.array(image)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A kind of perturbation as flags write it: its form, an example, and its constructor."""

    form: str
    example: str
    make: Callable[..., Perturbation]


_INTEGER, _NUMBER = r"[+-]?\d{1,6}", r"\d{1,6}(?:\.\d{1,6})?"

_KINDS: Mapping[str, _Kind] = {
    "permutation": _Kind(r"0*[1-9]\d{0,5}", "permutation:16", lambda patch: Permutation(int(patch))),
    "translocation": _Kind(
        f"{_INTEGER},{_INTEGER}", "translocation:60,-85", lambda right, down: Translocation(int(right), int(down))
    ),
    "blur": _Kind(_NUMBER, "blur:2", lambda sigma: Blur(float(sigma))),
    "noise": _Kind(_NUMBER, "noise:20", lambda sigma: Noise(float(sigma))),
    "jpeg": _Kind(r"[1-9]|[1-8]\d|9[0-5]", "jpeg:10", lambda quality: Jpeg(int(quality))),
}

#: An example of each, for the help.
EXAMPLES = tuple(kind.example for kind in _KINDS.values())


def parse(texts: list[str]) -> dict[str, Perturbation]:
    """The perturbations that flags name, by their text, in order, without repetitions.

    Args:
        texts: each one perturbation or several, with commas between them: `permutation:16,translocation:60,-85`.

    Raises:
        UserError: an unknown kind, or a strength that the kind does not have.
    """
    # A kind begins with a letter, a strength never does.
    names = [name.strip() for text in texts for name in re.split(r",(?=\s*[A-Za-z])", text)]
    return {name: _one(name) for name in names}


def _one(name: str) -> Perturbation:
    kind_name, _, strength = name.partition(":")
    kind = _KINDS.get(kind_name)
    if kind is None:
        raise UserError(f"--perturb={name}: {unknown('perturbation', kind_name, _KINDS)}")
    if not re.fullmatch(kind.form, strength):
        raise UserError(f"--perturb={name}: {strength!r} is not a strength of {kind_name}; write it as {kind.example}")
    return kind.make(*strength.split(","))


def perturb(
    views: UInt8[np.ndarray, "n size size 3"], perturbation: Perturbation, seed: int, numbers: Int[np.ndarray, " n"]
) -> UInt8[np.ndarray, "n size size 3"]:
    """Perturbed copies of views.

    Args:
        views: RGB, of one input of the model. Where it has two, both are changed by the same draws.
        perturbation: has been checked with the views' size.
        seed: not negative.
        numbers: each photo's number in its split.
    """
    changed = [
        perturbation(view, np.random.default_rng([seed, number]))
        for view, number in zip(views, numbers.tolist(), strict=True)
    ]
    return np.stack(changed) if changed else views.copy()


def permuted(view: View, patch: int, order: Int[np.ndarray, " patches"]) -> View:
    """The view whose k-th patch, row by row, is the order[k]-th of `view`.

    `permuted(permuted(view, patch, order), patch, np.argsort(order))` is the view again.
    """
    across = len(view) // patch
    grid = view.reshape(across, patch, across, patch, 3).swapaxes(1, 2)
    patches = grid.reshape(across * across, patch, patch, 3)[order]
    return patches.reshape(across, across, patch, patch, 3).swapaxes(1, 2).reshape(view.shape)


def _to_uint8(values: np.ndarray) -> View:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
