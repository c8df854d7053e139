import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.data import balance
from tests.data.test_pipeline import assert_equal, train_stream

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
BALANCE = st.floats(0, 1)


def test_quotas_by_hand():
    counts = np.array([16, 4, 1])
    assert balance.quotas(counts, 0.0).tolist() == [16, 4, 1]
    assert balance.quotas(counts, 1.0).tolist() == [7, 7, 7]
    # By the roots, 4 : 2 : 1 of 21.
    assert balance.quotas(counts, 0.5).tolist() == [12, 6, 3]
    assert balance.quotas(np.array([9, 0, 1]), 1.0).tolist() == [5, 0, 5]  # a class without photos has none


def test_weights_by_hand():
    # Each of two classes weighs 1/2 and has 3/4 or 1/4 of the photos.
    assert balance.weights(np.array([3, 1]), 1.0) == pytest.approx((2 / 3, 2.0))
    assert balance.weights(np.array([9, 0, 1]), 0.5) == pytest.approx((10 / 12, 0.0, 10 / 4))


@given(COUNTS, BALANCE)
def test_every_epoch_is_as_long_and_every_class_is_in_it(counts, strength):
    quotas = balance.quotas(np.array(counts), strength)
    assert quotas.sum() == sum(counts)
    if strength == 0:
        assert quotas.tolist() == counts
    assert all((quota > 0) == (count > 0) for quota, count in zip(quotas, counts, strict=True))
    assert np.abs(quotas - balance.shares(np.array(counts), strength) * sum(counts)).max() < 1 + 1e-6


@given(COUNTS, BALANCE)
def test_weights_are_1_in_the_mean_and_by_0_all_equal(counts, strength):
    weights = np.array(balance.weights(np.array(counts), strength))
    assert np.dot(weights, counts) / sum(counts) == pytest.approx(1.0)
    assert balance.weights(np.array(counts), 0.0) == pytest.approx([float(count > 0) for count in counts])


def seen(turns, epoch):
    return balance.times(*map(tf.constant, turns), tf.constant(epoch, tf.int64)).numpy()


def test_photos_of_a_class_take_turns():
    turns = balance.turns(np.array([0, 0, 1, 0, 0, 0]), 1.0)  # five photos and one, in an epoch of six
    assert [seen(turns, epoch).tolist() for epoch in range(3)] == [
        [1, 1, 3, 1, 0, 0],  # the first three of class 0, and then the next two and the first again, and so on
        [1, 0, 3, 0, 1, 1],
        [0, 1, 3, 1, 1, 0],
    ]


@given(COUNTS, BALANCE, st.integers(0, 10**6), st.integers(1, 30))
def test_no_photo_is_seen_more_than_once_more_than_another_of_its_class(counts, strength, first, epochs):
    labels = np.repeat(np.arange(len(counts)), counts)
    turns = balance.turns(labels, strength)
    times = sum(seen(turns, epoch) for epoch in range(first, first + epochs))
    quotas = balance.quotas(np.array(counts), strength)
    for label in set(labels):
        assert np.ptp(times[labels == label]) <= 1
        assert times[labels == label].sum() == epochs * quotas[label]


@pytest.fixture(scope="module")
def unlike(tiny):
    """Of train all four photos of class 0, and one of classes 1 and 2."""
    kept = np.flatnonzero(tiny.labels("train") == 0).tolist()
    kept += [int(np.flatnonzero(tiny.labels("train") == label)[0]) for label in (1, 2)]
    few = tiny.records["train"].filter(lambda index, _: tf.reduce_any(index == tf.constant(kept, tf.int64)))
    photos = few.map(lambda _, record: record).enumerate()
    return dataclasses.replace(
        tiny, records={**tiny.records, "train": photos}, sizes={**tiny.sizes, "train": 6}, balance=1.0
    )


def test_classes_are_seen_alike_in_every_epoch(unlike):
    labels = unlike.labels("train")
    assert unlike.counts("train").tolist() == [4, 1, 1, 0]
    stream = train_stream(unlike, 6, batch_size=6)
    np.testing.assert_array_equal(stream["label"], labels[stream["index"]])
    epochs = stream["label"].reshape(6, 6)
    np.testing.assert_array_equal(np.sort(epochs), [[0, 0, 1, 1, 2, 2]] * 6)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    # Two of the four photos of class 0 in each epoch, each three times in six.
    large = np.flatnonzero(labels == 0)
    assert [int(np.sum(stream["index"] == index)) for index in large] == [3, 3, 3, 3]


def test_copies_of_a_photo_are_augmented_each_in_its_own_way(unlike):
    stream = train_stream(unlike, 1, batch_size=6)
    first, second = stream["image"][stream["label"] == 1]
    assert (first != second).any()


def test_without_balance_nothing_changes(tiny, unlike):
    assert_equal(train_stream(dataclasses.replace(tiny, balance=0.0), 4), train_stream(tiny, 4))
    plain = train_stream(dataclasses.replace(unlike, balance=0.0), 1, batch_size=6)
    assert sorted(plain["index"]) == list(range(6))


@pytest.mark.parametrize(("batch_size", "start"), [(4, 1), (4, 5), (2, 7), (6, 2)])
def test_resuming_anywhere_gives_the_same_bits(unlike, batch_size, start):
    whole = train_stream(unlike, 24 // batch_size, batch_size=batch_size)
    resumed = train_stream(unlike, 24 // batch_size - start, batch_size=batch_size, start_step=start)
    assert_equal(resumed, {name: values[start * batch_size :] for name, values in whole.items()})


def test_a_late_epoch_is_reached_directly(unlike):
    late = train_stream(unlike, 1, batch_size=6, start_step=10**9)
    assert sorted(late["label"]) == [0, 0, 1, 1, 2, 2]


def test_processes_see_their_rows_of_the_same_batches(unlike):
    whole = train_stream(unlike, 3, batch_size=4)
    for rows in ([0, 1], [2, 3]):
        positions = (np.arange(3)[:, None] * 4 + rows).ravel()
        part = train_stream(unlike, 3, batch_size=4, rows=rows)
        assert_equal(part, {name: values[positions] for name, values in whole.items()})


def test_with_repeated_augmentation_epochs_are_as_long(unlike):
    stream = train_stream(unlike, 4, batch_size=6, repeats=2)
    assert_equal(
        train_stream(unlike, 2, batch_size=6, start_step=2, repeats=2),
        {name: values[12:] for name, values in stream.items()},
    )
    for epoch in stream["label"].reshape(2, 12):
        assert np.bincount(epoch).tolist() == [4, 4, 4]
