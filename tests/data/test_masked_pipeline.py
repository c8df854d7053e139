"""Photos and masks through one geometry, on a dataset whose photo shows its mask: grey levels above 127 are food."""

import io
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.config import views
from jdnet_jax.data import Dataset, augment, records
from tests.data.tiny import NO_JITTER, augment_config, encode

SIZE, N = 24, 6


def pair(seed):
    """A photo of two flat halves, divided along a slanted line, and the mask of the bright one."""
    rng = np.random.default_rng(seed)
    height, width = 60 + int(rng.integers(20)), 90 + int(rng.integers(20))
    rows, columns = np.mgrid[:height, :width]
    mask = columns - width * rng.uniform(0.3, 0.6) > (rows - height / 2) * rng.uniform(-0.5, 0.5)
    photo = np.where(mask[..., None], 220, 40).astype(np.uint8) * np.ones(3, np.uint8)
    return photo, mask


class Halves(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Such pairs, JPEG and PNG by turns."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "mask": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(num_classes=2),
                }
            ),
            description="Halves.",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples() for split in ("train", "val", "test")}

    def _generate_examples(self):
        for i in range(N):
            photo, mask = pair(i)
            image = io.BytesIO(encode(photo, "JPEG" if i % 2 else "PNG"))
            yield i, {"image": image, "mask": (mask[..., None] * 255).astype(np.uint8), "label": i % 2}


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    builder = Halves(data_dir=tmp_path_factory.mktemp("halves"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    roles = ("train", "val", "test")

    def of(view):
        return Dataset(
            name="halves",
            class_names=("a", "b"),
            sizes=dict.fromkeys(roles, N),
            splits={role: role for role in roles},
            builder=builder,
            records={role: records.read(builder, role) for role in roles},
            protocol="",
            shuffle_buffer=16,
            view=view,
        )

    return of


def training(dataset, steps=2, fit="crop", **changes):
    batches = data.train_batches(
        dataset,
        batch_size=N,
        image_size=SIZE,
        seed=3,
        start_step=0,
        augment=augment_config(**changes),
        fit=fit,
    )
    return list(itertools.islice(batches, steps))


@pytest.mark.parametrize(
    ("fit", "changes"), [("crop", {}), ("pad", {"erasing": 0.5}), ("crop", {"mixup": 1.0, "cutmix": 1.0})]
)
def test_the_parts_add_up_to_the_augmented_photo(halves, fit, changes):
    """The same draws for each view, bit for bit: crop, flip, colours, erasing, mixture."""
    parts, whole, roi, context = (
        training(halves(view), fit=fit, **changes) for view in (views.BOTH, views.PHOTO, views.ROI, views.CONTEXT)
    )
    assert parts[0].keys() == whole[0].keys() | {"context"}
    for pair_, photo, food, rest in zip(parts, whole, roi, context, strict=True):
        assert pair_["image"].dtype == pair_["context"].dtype == np.uint8
        np.testing.assert_array_equal(pair_["image"].astype(int) + pair_["context"], photo["image"])
        np.testing.assert_array_equal(pair_["image"], food["image"])
        np.testing.assert_array_equal(pair_["label"], photo["label"])
        if "mixup" not in changes:  # where rounding may give one grey level to either part
            np.testing.assert_array_equal(pair_["context"], rest["image"])


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_the_mask_goes_where_the_photo_goes(halves, fit):
    """But at the edge, where resizing blends, the bright half is in the region and the dark one in the context."""
    for batch in training(halves(views.BOTH), steps=3, fit=fit, color_jitter=NO_JITTER):
        photo = batch["image"].astype(int) + batch["context"]
        grey = photo[..., 0]
        flat = (np.abs(grey - 220) < 12) | (np.abs(grey - 40) < 12)
        assert flat.mean() > 0.5
        wrong = flat & ((batch["image"][..., 0] > 0) != (grey > 130))
        assert wrong.mean() < 0.005
        assert (batch["image"][..., 0] > 0).any((1, 2)).mean() > 0.5


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_evaluation_cuts_the_same_view(halves, fit):
    def batches(view):
        return list(data.eval_batches(halves(view), "val", batch_size=4, image_size=SIZE, crop_fraction=0.8, fit=fit))

    for pair_, photo in zip(batches(views.BOTH), batches(views.PHOTO), strict=True):
        np.testing.assert_array_equal(pair_["image"] + pair_["context"], photo["image"])
        np.testing.assert_array_equal(pair_["mask"], photo["mask"])
        bright = photo["image"][..., 0] > 200
        np.testing.assert_array_equal((pair_["image"][..., 0] > 0)[bright], True)
    assert not batches(views.BOTH)[-1]["context"][-1].any()  # padding of the batch


def test_a_padded_photo_keeps_its_aspect_and_its_grey_belongs_to_the_context(halves):
    first = next(iter(tfds.as_numpy(halves(views.BOTH).builder.as_dataset(split="val"))))  # TFDS shuffles
    photo, mask = first["image"], first["mask"] > 0
    (batch, *_) = data.eval_batches(
        halves(views.BOTH), "val", batch_size=N, image_size=SIZE, crop_fraction=1.0, fit="pad"
    )
    height = round(photo.shape[0] * SIZE / photo.shape[1])
    top = (SIZE - height) // 2
    outside = [*range(top), *range(top + height, SIZE)]
    np.testing.assert_array_equal(batch["context"][0][outside], 125)
    np.testing.assert_array_equal(batch["image"][0][outside], 0)
    assert abs((batch["image"][0, top : top + height, :, 0] > 0).mean() - mask.mean()) < 0.05


def test_a_flip_turns_both(halves):
    photo, mask = pair(1)
    file = io.BytesIO()
    Image.fromarray((mask * 255).astype(np.uint8)).save(file, "PNG")
    config = augment_config(crop_scale=(1.0, 1.0), color_jitter=NO_JITTER)
    seen = [
        augment.random_view(
            tf.constant(encode(photo, "PNG")),
            tf.constant([5, i], tf.int64),
            16,
            config,
            mask=tf.constant(file.getvalue()),
        ).numpy()
        for i in range(12)
    ]
    kinds = {view.tobytes() for view in seen}
    assert len(kinds) == 2
    one, other = (np.frombuffer(kind, np.uint8).reshape(16, 16, 4) for kind in kinds)
    np.testing.assert_array_equal(one, other[:, ::-1])
