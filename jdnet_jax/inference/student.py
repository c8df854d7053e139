"""A trained student in Python: photos in, classes with probabilities and activation maps out.

>>> import jdnet_jax
>>> student = jdnet_jax.load(path)        # a workdir, a hand-off, or an exported file
>>> student.classes[:2]
('apple', 'bread')
>>> answer, other = student.predict([photo, photo])       # files, or arrays of pixels
>>> best, probability = answer.top[0]
>>> best == answer.name == other.name
True
>>> answer.probabilities.shape, answer.activation.shape
((7,), (2, 2))
>>> student.features([photo]).shape       # what the classifier sees: for a probe, a search, a plot
(1, 16)

To go on in Flax, `student.module` and `student.variables` are the network and its weights:

>>> import jax
>>> images = student.normalised([photo])
>>> outputs = student.module.apply(student.variables, images, train=False)
>>> bool((jax.numpy.argmax(outputs.logits, -1) == student.classes.index(answer.name)).all())
True

and `--config.student.init=PATH` trains it again on other photos.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Float32, PyTree, UInt8

from jdnet_jax import models
from jdnet_jax.config import views
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import flax_runner
from jdnet_jax.inference import open as opening
from jdnet_jax.inference import photos as photos_lib
from jdnet_jax.inference.flax_runner import FlaxRunner
from jdnet_jax.inference.runner import Runner
from jdnet_jax.process.errors import UserError

#: A photo: its file, or its pixels as a viewer shows them, uint8, RGB [height, width, 3].
Photo = str | os.PathLike[str] | np.ndarray

_BATCH = 32  # photos that are in memory at once


@dataclass(frozen=True)
class Answer:
    """The answer of a student for one photo.

    Attributes:
        top: the most probable classes with their probabilities, the best first.
        probabilities: probabilities of every class, in the order of `Student.classes`; calibrated by the temperature.
        activation: class activation map of the best class, not negative, on the grid of the last feature map;
            None where an exported file gives the probabilities alone.
        is_sure: False where the photo may well be of none of the classes, see `ModelCard.not_sure_below`; None where
            the model does not know when to doubt itself.
    """

    top: tuple[tuple[str, float], ...]
    probabilities: Float32[np.ndarray, " classes"]
    activation: Float32[np.ndarray, "rows columns"] | None
    is_sure: bool | None = None

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.top[0][0]


class Student:
    """A trained network with its classes; `load` opens one."""

    def __init__(self, runner: Runner, name: str):
        """Wraps a runner.

        Args:
            runner: an opened model of any format.
            name: name of the model, for messages.
        """
        self._runner, self._name = runner, name

    def __repr__(self) -> str:
        card = self.card
        return f"<Student {self._name}: {card.model}, {len(card.classes)} classes, {card.image_size} px>"

    @property
    def card(self) -> ModelCard:
        """The model card: network, classes, image size, how it was trained, its accuracy."""
        return self._runner.card

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.card.classes

    @property
    def module(self) -> nn.Module:
        """The Flax module, which takes `normalised` photos and returns `models.Outputs`.

        Raises:
            UserError: the model is a file of another format.
        """
        return self._flax.module

    @property
    def variables(self) -> Mapping[str, PyTree]:
        """`params` and `batch_stats` of the module.

        Raises:
            UserError: the model is a file of another format.
        """
        return self._flax.variables

    def predict(self, photos: Photo | Sequence[Photo], *, top: int = 5) -> list[Answer]:
        """The answers for photos.

        Args:
            photos: a sequence of them, or one.
            top: number of classes in `Answer.top`.

        Raises:
            UserError: a photo cannot be read, or the model takes photos with masks.
        """
        if isinstance(photos, (str, os.PathLike)) or (isinstance(photos, np.ndarray) and photos.ndim == 3):
            photos = [photos]
        photos, answers = list(photos), []
        for begin in range(0, len(photos), _BATCH):
            prediction = self._runner.run(self.views(photos[begin : begin + _BATCH]))
            answers += [self._answer(*one, top) for one in prediction.each()]
        return answers

    def logits(self, photos: Sequence[Photo]) -> Float32[np.ndarray, "n classes"]:
        """The class scores before temperature and softmax.

        Raises:
            UserError: as `predict`, or the model is a file of another format.
        """
        return self._apply(lambda outputs: outputs.scores, self._flax.module, photos)

    def features(self, photos: Sequence[Photo]) -> Float32[np.ndarray, "n features"]:
        """The features of each photo: the inputs of the classifier, the last layer.

        Raises:
            UserError: as `logits`.
        """
        backbone = flax_runner.create(self._flax.card, self._name, backbone=True)
        return self._apply(lambda outputs: outputs.logits, backbone, photos)

    def views(self, photos: Sequence[Photo]) -> UInt8[np.ndarray, "n size size 3"]:
        """The views of photos that the network sees: upright, resized and cropped as in its evaluation.

        Raises:
            UserError: as `predict`.
        """
        if self.card.view != views.PHOTO:
            raise UserError(f"{self._name} takes photos with masks of the food: use the command predict with --mask")
        return np.stack([photos_lib.view_of(photo, self.card) for photo in photos])

    def normalised(self, photos: Sequence[Photo]) -> Float[Array, "n size size 3"]:
        """The input of `module`: `views` minus the network's mean, divided by its standard deviation."""
        mean, std = np.asarray(self.card.mean, np.float32), np.asarray(self.card.std, np.float32)
        return (jnp.asarray(self.views(photos), jnp.float32) - mean) / std

    @property
    def _flax(self) -> FlaxRunner:
        if not isinstance(self._runner, FlaxRunner):
            raise UserError(f"{self._name} is an exported file, which gives probabilities only: load its workdir")
        return self._runner

    def _apply(
        self, read: Callable[[models.Outputs], Array], module: nn.Module, photos: Sequence[Photo]
    ) -> Float32[np.ndarray, "n _"]:
        def run(variables: Mapping[str, PyTree], images: Array) -> Array:
            outputs: Any = module.apply(variables, images, train=False)
            return read(outputs)

        compiled = jax.jit(run)
        batches = [photos[begin : begin + _BATCH] for begin in range(0, len(photos), _BATCH)]
        return np.concatenate([np.asarray(compiled(self.variables, self.normalised(batch))) for batch in batches])

    def _answer(self, probabilities: np.ndarray, activation: np.ndarray | None, top: int) -> Answer:
        best = np.argsort(-probabilities, kind="stable")[:top]
        named = tuple((self.classes[i], float(probabilities[i])) for i in best)
        return Answer(named, probabilities, activation, self.card.is_sure(named[0][1]))


def load(path: str | os.PathLike[str]) -> Student:
    """Opens a student.

    Args:
        path: a workdir, a hand-off (`student/`), an exported file with its `model.json`, or `hf-hub:OWNER/NAME`, a
            student that `push` sent to the Hugging Face hub.

    Raises:
        UserError: there is nothing, or it cannot be used; says why.
    """
    return Student(opening.open_model(path), str(path))
