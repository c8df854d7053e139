"""The foods of `synthetic_meals`: one drawing function `(canvas, rng, place, food) -> None` each."""
