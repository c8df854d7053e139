"""The place where food lies, seen from the camera."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Place:
    """A patch of ground that food can lie on, seen by a camera that may look down at a slant.

    Attributes:
        x: centre on the canvas, units.
        y: centre on the canvas, units.
        radius: how far food may reach from the centre, units on the ground.
        squash: sine of the camera's elevation: 1 looks straight down, 0.7 from a chair.
        floor: height of the ground, units.
    """

    x: float
    y: float
    radius: float
    squash: float
    floor: float = 1.0

    @property
    def lift(self) -> float:
        """The distance on the canvas of one unit of height."""
        return float(np.sqrt(max(0.0, 1 - self.squash**2)))

    def project(
        self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"] | float = 0.0
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Canvas positions of points (x, y, z), in units from the centre on the ground."""
        return self.x + x, self.y + y * self.squash - z * self.lift

    def moved(self, x: float, y: float, radius: float) -> Place:
        """Another patch of the same ground, (x, y) ground units away."""
        return dataclasses.replace(self, x=self.x + x, y=self.y + y * self.squash, radius=radius)


def scatter(
    rng: np.random.Generator, count: int, radius: float, *, spread: float = 0.5, clump: float = 0.0
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """`count` ground points within a lopsided disc, evenly spread (a sunflower spiral with jitter).

    Args:
        rng: random source.
        count: number of points.
        radius: mean radius of the heap, units.
        spread: jitter in units of the points' mean distance.
        clump: how lopsided the outline is, 0 = a circle, 0.3 = strongly.
    """
    number = np.arange(count) + 0.5
    angle = number * 2.399963 + rng.uniform(0, 2 * np.pi)  # the golden angle spreads points evenly
    phases = rng.uniform(0, 2 * np.pi, 3)
    outline = 1 + clump * sum(np.cos((k + 1) * angle + phase) / (k + 1) for k, phase in enumerate(phases))
    distance = np.sqrt(number / count) * radius * outline
    jitter = rng.standard_normal((2, count)) * (spread * radius / np.sqrt(count))
    return distance * np.cos(angle) + jitter[0], distance * np.sin(angle) + jitter[1]
