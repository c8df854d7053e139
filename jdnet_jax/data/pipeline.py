"""Batches for training and evaluation, as tf.data pipelines that yield NumPy arrays.

The training stream is the concatenation of one permutation of the split for each epoch. Its element at position p is
a function of (seed, p) alone (for one shuffle buffer), and global batch t is [t * batch_size,
(t + 1) * batch_size) of it, so:

- the position of a run is one integer, its step; resuming there skips encoded records, decoding nothing;
- any number of processes sees the same global batches: each decodes only its rows;
- photos without labels are a separate stream of the same kind; their places in a batch are spread evenly;
- an example's augmentation, keyed by (seed, epoch, index), does not depend on the order of reading; if photos are
  mixed, its partner is its neighbour in the global batch.

With repeated augmentation (Hoffer et al., CVPR 2020) each photo of the permutation occurs `augment.repeats` times, in
turns with its neighbour and each time with another augmentation; an epoch's positions hold as many times fewer photos.

If classes are balanced (`Dataset.balance`), an epoch's positions are filled by copies of the photos of small
classes, each with another augmentation, and by some of those of large ones, which take turns: see `balance`.

With masks, each photo is cut up as `Dataset.view` says, after all augmentation. If both parts are needed, the photo and
its region of interest are mixed with the same shares and the context is their difference, so that the parts add up to
the photo exactly.

Only encoded records are shuffled; decoded images exist only for the current batches. If a dataset's photos were decoded
once (`decoded`), their positions are shuffled instead, into the same order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Int, UInt8
from ml_collections import ConfigDict

from jdnet_jax.config import views as views_lib
from jdnet_jax.data import augment as augmentation
from jdnet_jax.data import balance, framing, mixing, prepared, records
from jdnet_jax.data.datasets import Dataset
from jdnet_jax.data.unlabelled_folder import NO_LABEL

Batch = dict[str, np.ndarray]

_PREFETCHED_BATCHES = 2
#: Photos decoded by one call: one at a time, handing over between threads costs a fifth of the time.
DECODED_TOGETHER = 16


# Nothing here is Python control flow over tensors, and rewriting it as such takes as long as building the pipeline.
_as_written = tf.autograph.experimental.do_not_convert


@_as_written
def train_batches(
    dataset: Dataset,
    *,
    batch_size: int,
    image_size: int,
    seed: int,
    start_step: int,
    augment: ConfigDict,
    fit: str = framing.CROP,
    rows: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """Endless training batches, from global batch `start_step` on.

    Args:
        dataset: what to read; its 'train' split.
        batch_size: size of the global batch.
        image_size: side of the views in pixels.
        seed: decides the order and the augmentation.
        start_step: number of the first global batch, 0 for a fresh run.
        augment: see `augment.random_view`.
        fit: see `augment.random_view`.
        rows: this process's positions inside the global batch, in order; None for all.

    Returns:
        An iterator over {'image': uint8 [n, image_size, image_size, 3], 'label': int32 [n], 'index': int64 [n]} with
        n = len(rows); 'index' is the example's position in the split. Where `dataset.view` has two parts also 'context'
        like 'image', see `views.cut`. Where the config mixes photos also what `mixing.mix_pairs` adds. Where the
        dataset has photos without labels also 'known': bool [n], False for these, whose 'index' counts them alone.

    Raises:
        ValueError: `rows` separate the two photos of a pair, where photos are mixed.
    """
    repeats = augment.repeats
    unlabelled, decoded = dataset.unlabelled, dataset.decoded
    mixes = mixing.is_on(augment)
    if mixes:
        pairs = np.reshape(range(batch_size) if rows is None else rows, -1)
        if len(pairs) % 2 or np.any(pairs[::2] % 2) or np.any(pairs[1::2] != pairs[::2] + 1):
            raise ValueError(f"photos are mixed in pairs of positions 2i and 2i + 1, which these rows part: {rows}")

    turns = balance.turns(dataset.labels("train"), dataset.balance) if dataset.balance else None

    def each_once(photos: tf.data.Dataset, epoch: tf.Tensor) -> tf.data.Dataset:
        del epoch
        return photos

    def balanced(turns: balance.Turns, photos: tf.data.Dataset, epoch: tf.Tensor) -> tf.data.Dataset:
        """Each photo as often as its turn is in the epoch, with another index each time: index + size x copy."""
        rank, of_class, quota = map(tf.constant, turns)
        how_often, size = balance.times(rank, of_class, quota, epoch), len(turns.rank)

        def several(index: tf.Tensor, record: tf.Tensor) -> tf.data.Dataset:
            numbers = tf.data.Dataset.range(how_often[index])
            return numbers.map(lambda number: (index + number * size, record))

        return photos.flat_map(several)

    def epochs(
        photos: tf.data.Dataset,
        size: int,
        position: int,
        number: Callable[..., tf.Tensor],
        seen: Callable[..., tf.data.Dataset],
    ) -> tf.data.Dataset:
        """One permutation of the photos `seen` in an epoch after the other; an epoch's seeds are of its `number`."""
        first, offset = divmod(position, size * repeats)
        buffer = min(dataset.shuffle_buffer, size)
        every = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
        return every.flat_map(lambda epoch: one_epoch(number(epoch), seen(photos, epoch), buffer)).skip(offset)

    def one_epoch(epoch: tf.Tensor, photos: tf.data.Dataset, buffer: int) -> tf.data.Dataset:
        # Inside a traced function this sets the seed of the function's graph alone: it keeps TensorFlow's global seed,
        # which some caller may have set, out of the order. It must not be 0: TensorFlow tells "both seeds are 0" by a
        # Python comparison, which a symbolic order_seed does not survive.
        tf.random.set_seed(1)
        order_seed, augment_seed = tf.unstack(_epoch_seeds(seed, epoch))
        shuffled = photos.shuffle(buffer, seed=order_seed)
        # Two photos take turns, so that the partners of a mixture are never copies of one photo.
        numbered = shuffled.batch(2).flat_map(copies) if repeats > 1 else _beside(np.int64(0), shuffled)
        return _beside(augment_seed, numbered)

    def copies(*two: tf.Tensor) -> tf.data.Dataset:
        photos = tf.data.Dataset.from_tensor_slices(two)
        return tf.data.Dataset.range(repeats).flat_map(lambda copy: _beside(copy, photos))

    def views(seeds: tf.Tensor, numbered: tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]) -> dict[str, tf.Tensor]:
        copy, (index, record) = numbered
        keys = tf.stack([seeds, index * repeats + copy], 1)
        if turns is not None:
            index = index % dataset.sizes["train"]
        photos, label = records.parse(record) if decoded is None else (tf.gather(decoded.places, index), record)

        def one(key: tf.Tensor, photo: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
            view = augmentation.random_view(photo, key, image_size, augment, fit=fit, mask=mask, crop_of=crop_of)
            return _channels(view, dataset.view)

        images = _each(one, keys, photos, record, image_size, dataset.view)
        batch = {"image": images, "label": label, "index": index}
        if unlabelled is not None:
            batch["known"] = label != NO_LABEL
        return {**batch, "key": keys} if mixes else batch

    def mixed(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        result = mixing.mix_pairs(batch, augment)
        del result["key"]
        return _parted(result, dataset.view)

    without = 0 if unlabelled is None else round(batch_size * unlabelled.share)
    position = start_step * (batch_size - without)
    photos = dataset.records["train"] if decoded is None else decoded.numbered()
    crop_of = augmentation.crop_encoded if decoded is None else decoded.crop
    seen = each_once if turns is None else functools.partial(balanced, turns)
    stream = epochs(photos, dataset.sizes["train"], position, lambda epoch: epoch, seen)
    if unlabelled is not None:
        # Negative numbers, which no epoch of train has.
        others = epochs(unlabelled.records, unlabelled.size, start_step * without, lambda epoch: -1 - epoch, each_once)
        whose = tf.data.Dataset.from_tensor_slices(_spread(without, batch_size)).repeat()
        stream = tf.data.Dataset.choose_from_datasets([stream, others], whose)
    batches = _batches(stream, views, batch_size, rows, mixed if mixes else _parts(dataset.view))
    return _explained(batches, dataset, "train")


@_as_written
def eval_batches(
    dataset: Dataset,
    split_role: str,
    *,
    batch_size: int,
    image_size: int,
    crop_fraction: float,
    fit: str = framing.CROP,
    rows: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """One pass over a split in file order, in which every example counts exactly once.

    Args:
        dataset: what to read.
        split_role: 'train', 'val' or 'test'.
        batch_size: size of the global batch.
        image_size: side of the views in pixels.
        crop_fraction: see `augment.central_view`.
        fit: see `augment.central_view`.
        rows: as in `train_batches`.

    Returns:
        An iterator over {'image', 'label', 'index'} and 'context' as in `train_batches` and 'mask': bool [n]; the
        last batch is filled up with zeros whose mask is False.
    """
    numbered = dataset.records[split_role]
    missing = -dataset.sizes[split_role] % batch_size
    filling = _beside(False, numbered.take(1).repeat(missing))
    stream = _beside(True, numbered).concatenate(filling)

    def views(mask: tf.Tensor, numbered: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        index, serialized = numbered
        encoded, label = records.parse(serialized)

        def one(is_photo: tf.Tensor, photo: tf.Tensor, region: tf.Tensor | None = None) -> tf.Tensor:
            def seen() -> tf.Tensor:
                view = augmentation.central_view(photo, image_size, crop_fraction, fit=fit, mask=region)
                return _channels(view, dataset.view)

            channels = _CHANNELS.get(dataset.view, 3)
            return tf.cond(is_photo, seen, lambda: tf.zeros([image_size, image_size, channels], tf.uint8))

        images = _each(one, mask, encoded, serialized, image_size, dataset.view)
        return {"image": images, "label": tf.where(mask, label, 0), "index": index, "mask": mask}

    return _explained(_batches(stream, views, batch_size, rows, _parts(dataset.view)), dataset, split_role)


def _spread(count: int, total: int) -> Int[np.ndarray, " total"]:
    """`count` ones spread evenly among zeros: n equal parts have equally many if n divides both numbers."""
    reached = np.arange(total + 1, dtype=np.int64) * count // total
    return np.diff(reached)


#: Channels of the images before they are separated: the photo's and its region of interest's.
_CHANNELS = {views_lib.BOTH: 6}


def _each(
    one: Callable[..., tf.Tensor],
    keys: tf.Tensor,
    photos: tf.Tensor,
    serialized: tf.Tensor,
    image_size: int,
    view: str,
) -> UInt8[tf.Tensor, "n size size channels"]:
    """Maps each photo by `one(key, photo)`, or `one(key, photo, mask)` if the view needs masks."""
    masks = () if view == views_lib.PHOTO else (records.parse_masks(serialized),)
    signature = tf.TensorSpec([image_size, image_size, _CHANNELS.get(view, 3)], tf.uint8)
    return tf.map_fn(lambda photo: one(*photo), (keys, photos, *masks), fn_output_signature=signature)


def _channels(seen: UInt8[tf.Tensor, "size size rgb_and_mask"], view: str) -> UInt8[tf.Tensor, "size size channels"]:
    """The channels that a view needs of a photo with its mask: one image, or the photo and the region of interest."""
    if view == views_lib.PHOTO:
        return seen
    photo, mask = seen[..., :3], seen[..., 3:]
    if view == views_lib.BOTH:
        return tf.concat([photo, views_lib.cut(photo, mask, views_lib.ROI)["image"]], -1)
    return views_lib.cut(photo, mask, view)["image"]


def _parts(view: str) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] | None:
    return (lambda batch: _parted(batch, view)) if view == views_lib.BOTH else None


def _parted(batch: dict[str, tf.Tensor], view: str) -> dict[str, tf.Tensor]:
    if view != views_lib.BOTH:
        return batch
    photo, roi = views_lib.apart(batch["image"])
    return {**batch, "image": roi, "context": photo - roi}


def _beside(value: tf.Tensor | np.int64 | bool, elements: tf.data.Dataset) -> tf.data.Dataset:
    """(value, element) for each element; unlike a map it costs nothing for each element."""
    return tf.data.Dataset.zip((tf.data.Dataset.from_tensors(value).repeat(), elements))


def _epoch_seeds(seed: int, epoch: Int[tf.Tensor, ""]) -> Int[tf.Tensor, " 2"]:
    """Independent seeds, 0 to 2**31 - 1, for the order and the augmentation of an epoch.

    Philox is named so that the draws do not depend on the devices that TensorFlow sees.
    """
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.stateless_uniform([2], key, maxval=2**31, dtype=tf.int64, alg="philox")


def _batches(
    stream: tf.data.Dataset,
    views: Callable[..., dict[str, tf.Tensor]],
    batch_size: int,
    rows: Sequence[int] | None,
    finish: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] | None = None,
) -> Iterator[Batch]:
    """Picks `rows` of each global batch, decodes them in parallel, keeps their order, batches and finishes them.

    `views` takes several records at a time, joined; `finish` whole batches.
    """
    rows = range(batch_size) if rows is None else rows
    if not len(rows) or min(rows) < 0 or max(rows) >= batch_size:
        raise ValueError(f"rows must be positions inside a global batch of {batch_size}, got {list(rows)}")
    if list(rows) == list(range(batch_size)):
        examples = stream.batch(DECODED_TOGETHER)
    else:
        positions = tf.constant(rows, tf.int64)

        def pick(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tf.nest.map_structure(lambda values: tf.gather(values, positions), batch)

        examples = stream.batch(batch_size, drop_remainder=True).map(pick).rebatch(DECODED_TOGETHER)
    stream = examples.map(views, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    stream = stream.rebatch(len(rows), drop_remainder=True)
    if finish is not None:
        stream = stream.map(finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    stream = stream.prefetch(_PREFETCHED_BATCHES)
    return stream.as_numpy_iterator()


def _explained(batches: Iterator[Batch], dataset: Dataset, role: str) -> Iterator[Batch]:
    with prepared.explained(dataset.builder, dataset.splits[role]):
        yield from batches
