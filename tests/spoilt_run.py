"""`python -m jdnet_jax.main` where the batch of step 5 is not finite, until the data come in another order.

python -m tests.spoilt_run --config=configs/demo.py --config.on_non_finite=roll_back ...
"""

from collections.abc import Callable, Collection, Iterator

import numpy as np

from jdnet_jax.process import command_line


def spoilt(train_batches: Callable, numbers: Collection[int], seeds: Collection[int] | None = None) -> Callable:
    """`data.train_batches` whose batches of these steps are not finite; only those of these data seeds, where given."""

    def batches(*args, seed, start_step, **options) -> Iterator[dict[str, np.ndarray]]:
        for number, batch in enumerate(
            train_batches(*args, seed=seed, start_step=start_step, **options), start_step + 1
        ):
            bad = number in numbers and (seeds is None or seed in seeds)
            yield {**batch, "image": batch["image"] * np.float32("nan" if bad else 1)}

    return batches


if __name__ == "__main__":
    command_line.set_up_libraries()
    from jdnet_jax import data, main

    data.train_batches = spoilt(data.train_batches, {5}, {0})
    main.run()
