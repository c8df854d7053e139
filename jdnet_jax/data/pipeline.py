"""Batches for training and evaluation, as tf.data pipelines that hand out NumPy arrays.

The training stream is the concatenation of one permutation of the split for each epoch. What it holds at position p is
a function of (seed, p) alone (given the dataset's shuffle buffer), and global batch t is [t * batch_size,
(t + 1) * batch_size) of it, so:

- the position of a run is one integer, its step; resuming there skips encoded records, decoding nothing;
- any number of processes sees the same global batches: each decodes only its own rows;
- an example's augmentation, keyed by (seed, epoch, index), is the same however it is reached; where photos are mixed,
  its partner is its neighbour in the global batch.

With repeated augmentation (Hoffer et al., CVPR 2020) each photo of the permutation stands `augment.repeats` times in a
row, each time with another augmentation, and an epoch's positions are filled by as many times fewer photos.

Only encoded records are ever shuffled; decoded images exist for the batches in flight alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Int
from ml_collections import ConfigDict

from jdnet_jax.data import augment as augmentation
from jdnet_jax.data import mixing
from jdnet_jax.data.datasets import Dataset, encoded_records
from jdnet_jax.errors import UserError

Batch = dict[str, np.ndarray]
_Map = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]

_PREFETCHED_BATCHES = 2


def train_batches(
    dataset: Dataset,
    *,
    batch_size: int,
    image_size: int,
    seed: int,
    start_step: int,
    augment: ConfigDict,
    rows: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """Endless training batches, from global batch `start_step` on.

    Args:
        dataset: what to read; its 'train' split.
        batch_size: of the global batch.
        image_size: side of the views in pixels.
        seed: decides the order and the augmentation.
        start_step: number of the first global batch, 0 for a fresh run.
        augment: see `augment.random_view`.
        rows: positions inside the global batch that this process wants, in the order it wants them; None for all.

    Returns:
        An iterator over {'image': uint8 [n, image_size, image_size, 3], 'label': int32 [n], 'index': int64 [n]} with
        n = len(rows); 'index' is the example's position in the split. Where the config mixes photos also what
        `mixing.mix_pairs` adds.

    Raises:
        ValueError: rows that part the two photos of a pair, where photos are mixed.
    """
    repeats = augment.repeats
    epoch_size = dataset.sizes["train"] * repeats
    first_epoch, offset = divmod(start_step * batch_size, epoch_size)
    records = encoded_records(dataset.builder, dataset.splits["train"])
    shuffle_buffer = min(dataset.shuffle_buffer, dataset.sizes["train"])
    mixes = mixing.is_on(augment)
    if mixes:
        pairs = np.reshape(range(batch_size) if rows is None else rows, -1)
        if len(pairs) % 2 or np.any(pairs[::2] % 2) or np.any(pairs[1::2] != pairs[::2] + 1):
            raise ValueError(f"photos are mixed in pairs of positions 2i and 2i + 1, which these rows part: {rows}")

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        # Inside a traced function this sets the seed of the function's graph alone: it keeps TensorFlow's global seed,
        # which some caller may have set, out of the order. It must not be 0: TensorFlow tells "both seeds are 0" by a
        # Python comparison, which a symbolic order_seed does not survive.
        tf.random.set_seed(1)
        order_seed, augment_seed = tf.unstack(_epoch_seeds(seed, epoch))
        shuffled = records.shuffle(shuffle_buffer, seed=order_seed)
        if repeats > 1:
            # Two photos take turns, so that the partners of a mixture are never copies of one photo.
            shuffled = shuffled.batch(2).flat_map(copies)
        else:
            shuffled = shuffled.map(lambda record: {**record, "copy": np.int64(0)})
        return shuffled.map(
            lambda record: {**record, "key": tf.stack([augment_seed, record["index"] * repeats + record["copy"]])}
        )

    def copies(two: dict[str, tf.Tensor]) -> tf.data.Dataset:
        def with_number(copy: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(two).map(lambda record: {**record, "copy": copy})

        return tf.data.Dataset.range(repeats).flat_map(with_number)

    def view(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        pixels = augmentation.random_view(record["image"], record["key"], image_size, augment)
        kept = ("label", "index", "key") if mixes else ("label", "index")
        return {"image": pixels, **{name: record[name] for name in kept}}

    def mixed(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        result = mixing.mix_pairs(batch, augment)
        del result["key"]
        return result

    stream = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).flat_map(one_epoch).skip(offset)
    return _batches(stream, view, batch_size, rows, mixed if mixes else None)


def eval_batches(
    dataset: Dataset,
    split_role: str,
    *,
    batch_size: int,
    image_size: int,
    crop_fraction: float,
    rows: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """One pass over a split in file order, in which every example counts exactly once.

    Args:
        dataset: what to read.
        split_role: 'train', 'val' or 'test'.
        batch_size: of the global batch.
        image_size: side of the views in pixels.
        crop_fraction: see `augment.central_view`.
        rows: as in `train_batches`.

    Returns:
        An iterator over {'image', 'label', 'index'} as in `train_batches` and 'mask': bool [n]; the last batch is
        filled up with zeros whose mask is False.
    """
    records = encoded_records(dataset.builder, dataset.splits[split_role])
    records = records.map(lambda record: {**record, "mask": True})
    padding = {"image": b"", "label": np.int32(0), "index": np.int64(0), "mask": False}
    missing = -dataset.sizes[split_role] % batch_size
    stream = records.concatenate(tf.data.Dataset.from_tensors(padding).repeat(missing))

    def view(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        image = tf.cond(
            record["mask"],
            lambda: augmentation.central_view(record["image"], image_size, crop_fraction),
            lambda: tf.zeros([image_size, image_size, 3], tf.uint8),
        )
        return {**record, "image": image}

    return _batches(stream, view, batch_size, rows)


def _epoch_seeds(seed: int, epoch: Int[tf.Tensor, ""]) -> Int[tf.Tensor, " 2"]:
    """Independent seeds, 0 to 2**31 - 1, for the order and the augmentation of an epoch.

    Philox is named so that the draws do not depend on the devices that TensorFlow sees.
    """
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.stateless_uniform([2], key, maxval=2**31, dtype=tf.int64, alg="philox")


def _batches(
    stream: tf.data.Dataset, view: _Map, batch_size: int, rows: Sequence[int] | None, mix: _Map | None = None
) -> Iterator[Batch]:
    """Picks `rows` of each global batch, decodes them in parallel, keeps their order, batches and mixes them."""
    if rows is not None:
        if not len(rows) or min(rows) < 0 or max(rows) >= batch_size:
            raise ValueError(f"rows must be positions inside a global batch of {batch_size}, got {list(rows)}")
        positions = tf.constant(rows, tf.int64)
        stream = stream.batch(batch_size, drop_remainder=True)
        stream = stream.map(lambda batch: {name: tf.gather(values, positions) for name, values in batch.items()})
        stream = stream.unbatch()
    stream = stream.map(view, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    stream = stream.batch(batch_size if rows is None else len(rows), drop_remainder=True)
    if mix is not None:
        stream = stream.map(mix, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    stream = stream.prefetch(_PREFETCHED_BATCHES)
    return _readable(stream.as_numpy_iterator())


def _readable(batches: Iterator[Batch]) -> Iterator[Batch]:
    try:
        yield from batches
    except tf.errors.InvalidArgumentError as error:
        reason = str(error.message).splitlines()[0][:200]
        raise UserError(f"a photo of the dataset cannot be decoded ({reason}): prepare it from a sound copy") from error
