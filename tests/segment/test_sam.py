"""With a network of random weights; skipped where torch or transformers is not installed."""

import numpy as np
import pytest

from jdnet_jax.process.errors import UserError
from jdnet_jax.segment import sam

torch = pytest.importorskip("torch", reason="torch (the extra [sam]) is not installed")
pytest.importorskip("torchvision", reason="torchvision (the extra [sam]) is not installed")
transformers = pytest.importorskip("transformers", reason="transformers (the extra [sam]) is not installed")

from tests.segment import tiny_sam  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_sam.save(tmp_path_factory.mktemp("sam"))


def photo(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("prompt", ["centre", "box", "grid"])
def test_a_mask_of_the_photos_size_and_the_same_again(checkpoint, prompt):
    segmenter = sam.load(checkpoint, prompt, 0.05, 3)
    for height, width in ((90, 60), (40, 200)):
        mask = segmenter.segment(photo(height, width))
        assert (mask.shape, mask.dtype) == ((height, width), bool)
        np.testing.assert_array_equal(segmenter.segment(photo(height, width)), mask)
    assert segmenter.settings["prompt"] == prompt
    assert ("points" in segmenter.settings) == (prompt == "grid")


def test_the_mask_is_one_of_those_that_the_network_gives_for_the_centre(checkpoint):
    segmenter = sam.load(checkpoint, "centre", 0.05, 3)
    pixels = photo(90, 60)
    inputs = segmenter.processor(pixels, input_points=[[[30.0, 45.0]]], return_tensors="pt")
    inputs["input_points"] = inputs["input_points"].float()
    with torch.inference_mode():
        answer = segmenter.network(
            pixel_values=inputs["pixel_values"],
            input_points=inputs["input_points"],
            input_labels=torch.ones(1, 1, 1, dtype=torch.long),
        )
    (given,) = segmenter.processor.image_processor.post_process_masks(
        answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )
    mask = segmenter.segment(pixels)
    assert any(np.array_equal(mask, one) for one in given[0].numpy())


def test_what_is_no_checkpoint_is_told(tmp_path):
    with pytest.raises(UserError, match=r"--checkpoint=.*nowhere cannot be opened"):
        sam.load(str(tmp_path / "nowhere"), "centre", 0.05, 8)


def test_a_checkpoint_of_another_network_is_refused(checkpoint, tmp_path):
    network = transformers.SamModel.from_pretrained(checkpoint)
    tensors = {name: value for name, value in network.state_dict().items() if not name.startswith("mask_decoder")}
    network.save_pretrained(tmp_path, state_dict=tensors)
    transformers.SamProcessor.from_pretrained(checkpoint).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"is not of Segment Anything: it lacks \d+ of .* such as mask_decoder"):
        sam.load(str(tmp_path), "centre", 0.05, 8)
