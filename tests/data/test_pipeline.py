import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from jdnet_jax import data
from jdnet_jax.data import datasets, pipeline
from tests.data.tiny import NO_JITTER, TINY_SIZES, augment_config

N = TINY_SIZES["train"]
SIZE = 8


def train_stream(dataset, steps, *, batch_size=4, start_step=0, seed=7, rows=None, **augment):
    """`steps` batches, joined: {name: array over all their examples}."""
    batches = data.train_batches(
        dataset,
        batch_size=batch_size,
        image_size=SIZE,
        seed=seed,
        start_step=start_step,
        augment=augment_config(**augment),
        rows=rows,
    )
    return join(itertools.islice(batches, steps))


def eval_stream(dataset, role, *, batch_size, rows=None):
    return list(data.eval_batches(dataset, role, batch_size=batch_size, image_size=SIZE, crop_fraction=0.8, rows=rows))


def join(batches):
    batches = list(batches)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


@pytest.fixture(scope="module")
def three_epochs(tiny):
    """The first 40 examples (three epochs and one) in batches of 4."""
    return train_stream(tiny, 10)


def test_batches_are_what_the_contract_says(tiny):
    batch = train_stream(tiny, 1)
    assert {name: (values.shape, values.dtype) for name, values in batch.items()} == {
        "image": ((4, SIZE, SIZE, 3), np.uint8),
        "label": ((4,), np.int32),
        "index": ((4,), np.int64),
    }


def test_each_epoch_is_another_permutation(three_epochs):
    epochs = three_epochs["index"][: 3 * N].reshape(3, N)
    np.testing.assert_array_equal(np.sort(epochs), [range(N)] * 3)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert tuple(range(N)) not in {tuple(epoch) for epoch in epochs}


def test_a_small_shuffle_buffer_still_gives_permutations(tiny):
    import dataclasses

    small = dataclasses.replace(tiny, shuffle_buffer=3)
    epochs = train_stream(small, 2, batch_size=N)["index"].reshape(2, N)
    np.testing.assert_array_equal(np.sort(epochs), [range(N)] * 2)
    assert epochs[0, 0] < 3  # the buffer held the first three records


def test_index_names_the_record(tiny, three_epochs):
    """Label and picture belong to the record at `index` in file order."""
    in_order = join(eval_stream(tiny, "train", batch_size=N))
    np.testing.assert_array_equal(in_order["index"], range(N))
    np.testing.assert_array_equal(three_epochs["label"], in_order["label"][three_epochs["index"]])
    plain = train_stream(tiny, 4, crop_scale=(0.99, 1.0), flip=False, color_jitter=NO_JITTER)
    difference = np.abs(plain["image"].astype(int).mean((1, 2)) - in_order["image"][plain["index"]].mean((1, 2)))
    assert difference.max() < 12  # of 255; crop and squeeze change a smooth photo's mean colour little


@settings(deadline=None, max_examples=8)
@given(start_step=st.integers(0, 19), batch_size=st.sampled_from([1, 2, 4, 5, 10]))
def test_resuming_anywhere_gives_the_same_bits(tiny, three_epochs, start_step, batch_size):
    """Batch t holds positions [t * B, (t + 1) * B) of one stream, whatever B and wherever the run starts."""
    start_step %= 40 // batch_size
    steps = min(2, 40 // batch_size - start_step)
    resumed = train_stream(tiny, steps, batch_size=batch_size, start_step=start_step)
    begin = start_step * batch_size
    assert_equal(resumed, {name: v[begin : begin + steps * batch_size] for name, v in three_epochs.items()})


def test_a_late_epoch_is_reached_directly(tiny):
    step = 10**9  # some 300 million epochs in: reading through them would never end
    late = train_stream(tiny, N, start_step=step)
    first = -(4 * step) % N  # where the first whole epoch begins
    np.testing.assert_array_equal(np.sort(late["index"][first : first + N]), range(N))
    assert_equal(train_stream(tiny, 1, start_step=step + 3), {name: values[12:16] for name, values in late.items()})


def test_seed_decides_order_and_augmentation(tiny, three_epochs):
    other = train_stream(tiny, 10, seed=8)
    assert not np.array_equal(other["index"], three_epochs["index"])
    by_index = {name: values[:N][np.argsort(three_epochs["index"][:N])] for name, values in three_epochs.items()}
    other_by_index = other["image"][:N][np.argsort(other["index"][:N])]
    assert (other_by_index != by_index["image"]).any((1, 2, 3)).all()


def test_tensorflows_global_seed_has_no_say(tiny, three_epochs):
    tf.random.set_seed(123)
    try:
        assert_equal(train_stream(tiny, 10), three_epochs)
    finally:
        tf.random.set_seed(None)


def test_a_photo_is_augmented_anew_each_epoch(three_epochs):
    order = [np.argsort(three_epochs["index"][N * epoch : N * (epoch + 1)]) + N * epoch for epoch in range(2)]
    first, second = (three_epochs["image"][positions] for positions in order)
    assert (first != second).any((1, 2, 3)).all()


def test_each_photo_of_an_epoch_is_augmented_for_itself(tiny):
    """With brightness alone, by a factor in [0.4, 1.6], the photos' means change by different factors."""
    plain, bright = (
        train_stream(tiny, 1, batch_size=N, crop_scale=(0.99, 1.0), color_jitter={**NO_JITTER, "brightness": strength})
        for strength in (0.0, 0.6)
    )
    factors = bright["image"].mean((1, 2, 3)) / plain["image"].mean((1, 2, 3))
    assert factors.std() > 0.1


def test_processes_rows_make_up_the_global_batch(tiny, three_epochs):
    parts = [train_stream(tiny, 10, rows=rows) for rows in ([0, 2], [3, 1])]
    merged = {}
    for name, values in three_epochs.items():
        merged[name] = np.empty_like(values)
        for part, rows in zip(parts, ([0, 2], [3, 1]), strict=True):
            for k, row in enumerate(rows):
                merged[name][row::4] = part[name][k::2]
    assert_equal(merged, three_epochs)


def test_rows_and_resuming_compose(tiny, three_epochs):
    part = train_stream(tiny, 3, rows=[2], start_step=5)
    assert_equal(part, {name: values[[22, 26, 30]] for name, values in three_epochs.items()})


@pytest.mark.parametrize("rows", [[], [4], [-1]])
def test_rows_outside_the_batch_are_refused(tiny, rows):
    with pytest.raises(ValueError, match="rows must be positions inside a global batch of 4"):
        train_stream(tiny, 1, rows=rows)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 7, 16])
def test_evaluation_counts_every_example_once(tiny, batch_size):
    batches = eval_stream(tiny, "test", batch_size=batch_size)
    assert all(batch["image"].shape == (batch_size, SIZE, SIZE, 3) for batch in batches)
    assert len(batches) == -(-7 // batch_size)
    joined = join(batches)
    np.testing.assert_array_equal(joined["mask"], np.arange(len(joined["mask"])) < 7)
    np.testing.assert_array_equal(joined["index"][:7], range(7))
    for name in ("image", "label", "index"):
        assert not joined[name][7:].any()
    assert joined["mask"].dtype == bool
    assert joined["label"].dtype == np.int32
    assert joined["index"].dtype == np.int64


def test_evaluation_does_not_depend_on_the_batch(tiny):
    whole, small = (join(eval_stream(tiny, "test", batch_size=b)) for b in (7, 2))
    assert_equal({name: values[:7] for name, values in small.items()}, whole)


def test_evaluation_rows_share_the_work(tiny):
    whole = eval_stream(tiny, "test", batch_size=4)
    parts = [eval_stream(tiny, "test", batch_size=4, rows=rows) for rows in ([2, 0], [1, 3])]
    for batch, first, second in zip(whole, *parts, strict=True):
        for name, values in batch.items():
            np.testing.assert_array_equal(first[name], values[[2, 0]])
            np.testing.assert_array_equal(second[name], values[[1, 3]])


def test_repeated_augmentation_gives_each_photo_several_views_in_one_batch(tiny):
    """Two photos take turns; an epoch holds each photo `repeats` times."""
    stream = train_stream(tiny, 3 * N, batch_size=3, repeats=3)
    epochs = stream["index"].reshape(3, 3 * N)
    np.testing.assert_array_equal(np.sort(epochs), np.repeat([range(N)], 3, axis=1).reshape(1, -1).repeat(3, 0))
    first = epochs[0, :6]
    np.testing.assert_array_equal(first, np.tile(first[:2], 3))
    assert first[0] != first[1]
    views = stream["image"][[0, 2, 4]]
    assert not np.array_equal(views[0], views[1])
    assert not np.array_equal(views[1], views[2])


@pytest.mark.parametrize("augment", [{"repeats": 3}, {"mixup": 0.5}, {"repeats": 2, "cutmix": 1.0}], ids=str)
def test_any_start_and_any_rows_give_the_same_stream(tiny, augment):
    whole = train_stream(tiny, 12, batch_size=8, **augment)
    later = train_stream(tiny, 3, batch_size=8, start_step=9, **augment)
    assert_equal(later, {name: values[9 * 8 :] for name, values in whole.items()})
    rows = [6, 7, 0, 1]
    part = train_stream(tiny, 12, batch_size=8, rows=rows, **augment)
    chosen = (np.arange(12)[:, None] * 8 + rows).reshape(-1)
    assert_equal(part, {name: values[chosen] for name, values in whole.items()})


def test_mixed_batches_carry_both_labels(tiny):
    batch = train_stream(tiny, 1, mixup=0.5)
    assert {name: (values.shape, values.dtype) for name, values in batch.items()} == {
        "image": ((4, SIZE, SIZE, 3), np.uint8),
        "label": ((4,), np.int32),
        "index": ((4,), np.int64),
        "mixed_label": ((4,), np.int32),
        "share": ((4,), np.float32),
    }
    plain = train_stream(tiny, 1)
    for name in ("label", "index"):
        np.testing.assert_array_equal(batch[name], plain[name])
    np.testing.assert_array_equal(batch["mixed_label"], plain["label"].reshape(2, 2)[:, ::-1].reshape(-1))
    share = batch["share"][:, None, None, None]
    partner = plain["image"].reshape(2, 2, SIZE, SIZE, 3)[:, ::-1].reshape(4, SIZE, SIZE, 3)
    np.testing.assert_allclose(batch["image"], share * plain["image"] + (1 - share) * partner, atol=0.51)


@pytest.mark.parametrize("rows", [[0], [1, 2], [0, 1, 3, 2], [0, 2]])
def test_rows_that_part_a_pair_are_refused_where_photos_are_mixed(tiny, rows):
    with pytest.raises(ValueError, match="pairs of positions"):
        next(
            data.train_batches(
                tiny, batch_size=4, image_size=SIZE, seed=0, start_step=0, augment=augment_config(mixup=1.0), rows=rows
            )
        )


@pytest.fixture(scope="module")
def half_unlabelled(tiny):
    """The tiny photos and, as if they had no labels, those of its test: 7 photos, 2 of each batch of 8."""
    without_label = tf.train.Feature(int64_list=tf.train.Int64List(value=[-1]))
    made = []
    for _, serialized in tiny.records["test"].as_numpy_iterator():
        example = tf.train.Example.FromString(serialized)
        example.features.feature["label"].CopyFrom(without_label)
        made.append(example.SerializeToString())
    records = tf.data.Dataset.from_tensor_slices(made).enumerate()
    return dataclasses.replace(tiny, unlabelled=datasets.Unlabelled(records, TINY_SIZES["test"], 0.25, ""))


def test_photos_without_labels_have_their_places_in_each_batch(half_unlabelled):
    stream = train_stream(half_unlabelled, 13, batch_size=8)  # 6 epochs of train, 3 of the others and 5 photos
    known = stream["known"].reshape(13, 8)
    np.testing.assert_array_equal(known, np.broadcast_to([1, 1, 1, 0, 1, 1, 1, 0], (13, 8)))
    np.testing.assert_array_equal(stream["label"] == -1, ~stream["known"])
    labelled, others = stream["index"][stream["known"]], stream["index"][~stream["known"]]
    for epoch in range(6):
        assert sorted(labelled[epoch * N : (epoch + 1) * N]) == list(range(N))
    first, second = others[:7], others[7:14]
    assert sorted(first) == sorted(second) == list(range(7))
    assert list(first) != list(second)


def test_photos_with_labels_come_as_they_would_alone(tiny, half_unlabelled):
    together = train_stream(half_unlabelled, 4, batch_size=8)
    known = together.pop("known")
    alone = train_stream(tiny, 4, batch_size=6)
    assert_equal({name: values[known] for name, values in together.items()}, alone)


def test_a_stream_with_unlabelled_photos_goes_on_where_it_was(half_unlabelled):
    whole = train_stream(half_unlabelled, 9, batch_size=8)
    for start in (1, 4, 7):
        rest = train_stream(half_unlabelled, 9 - start, batch_size=8, start_step=start)
        assert_equal(rest, {name: values[start * 8 :] for name, values in whole.items()})
    rows = [4, 5, 6, 7]
    mine = train_stream(half_unlabelled, 9, batch_size=8, rows=rows)
    assert_equal(mine, {n: v.reshape(9, 8, *v.shape[1:])[:, rows].reshape(-1, *v.shape[1:]) for n, v in whole.items()})


@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 8))
def test_each_part_of_a_batch_has_as_many_without_labels(parts, each, more):
    ones, total = each * parts, (each + more) * parts
    turns = pipeline._spread(ones, total)
    assert set(turns) <= {0, 1}
    np.testing.assert_array_equal(turns.reshape(parts, -1).sum(1), each)
