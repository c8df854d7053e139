import io

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.data import near_duplicates
from jdnet_jax.data.near_duplicates import MAX_DISTANCE


def scene(seed: int, height=120, width=160) -> Image.Image:
    """Blobs of colour, as different from each other as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fingerprint(image: Image.Image) -> int:
    return near_duplicates.difference_hash(np.asarray(image))


def distance(a: Image.Image, b: Image.Image) -> int:
    return (fingerprint(a) ^ fingerprint(b)).bit_count()


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


class TestDifferenceHash:
    def test_is_64_bits_from_left_to_right_and_top_to_bottom(self):
        values = np.zeros((8, 9), np.uint8)
        values[0, 1] = 255  # brighter than its left neighbour: the second bit of a row would be 0 again
        assert near_duplicates.difference_hash(values[..., None].repeat(3, -1)) == 1 << 63
        values[0] = 0
        values[7, 8] = 255
        assert near_duplicates.difference_hash(values[..., None].repeat(3, -1)) == 1

    @pytest.mark.parametrize("seed", range(10))
    def test_copies_are_near(self, seed):
        image = scene(seed)
        assert distance(image, image) == 0
        for copy in (
            recompressed(image),
            image.resize((80, 60), Image.Resampling.LANCZOS),
            Image.fromarray((np.asarray(image) * 0.9).astype(np.uint8)),
        ):
            assert distance(image, copy) <= MAX_DISTANCE

    def test_other_photos_are_far(self):
        prints = [fingerprint(scene(seed)) for seed in range(40)]
        distances = [(a ^ b).bit_count() for i, a in enumerate(prints) for b in prints[:i]]
        assert min(distances) > 2 * MAX_DISTANCE

    @pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (5, 3, 3)])
    def test_tiny_pictures(self, shape):
        assert near_duplicates.difference_hash(np.full(shape, 90, np.uint8)) == 0


class TestPairsAcross:
    def test_finds_what_two_splits_share(self):
        base = np.random.default_rng(0).integers(0, 1 << 63, 300).astype(np.uint64)
        hashes = {"train": base[:200].copy(), "val": base[200:250].copy(), "test": base[250:].copy()}
        hashes["val"][7] = hashes["train"][150]
        hashes["test"][3] = hashes["train"][10] ^ np.uint64(0b10000000_00000011)
        hashes["test"][9] = hashes["val"][30] ^ np.uint64(0b1111)
        hashes["train"][20] = hashes["train"][21]  # within a split: no leak
        found = near_duplicates.pairs_across(hashes, max_distance=3)
        assert found == [(("train", 150), ("val", 7)), (("train", 10), ("test", 3))]

    def test_in_blocks_as_at_once(self, monkeypatch):
        values = np.random.default_rng(0).integers(0, 64, 90).astype(np.uint64)
        hashes = {"train": values[:50], "val": values[50:]}
        at_once = near_duplicates.pairs_across(hashes, 0)
        monkeypatch.setattr(near_duplicates, "_COMPARISONS_AT_A_TIME", 100)
        assert near_duplicates.pairs_across(hashes, 0) == at_once
        expected = {(i, j) for i in range(50) for j in range(40) if values[i] == values[50 + j]}
        assert {(a[1], b[1]) for a, b in at_once} == expected
        assert expected


def test_pairs_of_one_split_are_told_once_and_no_photo_is_its_own_copy():
    hashes = {"train": np.array([0, 0b111, 2**60 - 1, 0b11], np.uint64), "test": np.array([0], np.uint64)}
    found = near_duplicates.pairs_within(hashes, 2)
    assert found == [(("train", 0), ("train", 3)), (("train", 1), ("train", 3))]
