import jax.export
import numpy as np
import pytest

from jdnet_jax.export import to_stablehlo
from jdnet_jax.inference import stablehlo_runner
from jdnet_jax.process.errors import UserError


@pytest.fixture(scope="module")
def file(mobilenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("stablehlo") / "student.stablehlo"
    path.write_bytes(to_stablehlo.convert(mobilenet.function))
    return path


def test_it_computes_what_the_student_does(mobilenet, file):
    found = stablehlo_runner.load(file, mobilenet.card).run(mobilenet.images)
    expected = mobilenet.runner.run(mobilenet.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3)


def test_one_file_is_for_all_platforms_and_any_batch(file):
    exported = jax.export.deserialize(bytearray(file.read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    (image,) = exported.in_avals
    assert (str(image.shape[0]), image.shape[1:], image.dtype) == ("batch", (64, 64, 3), np.uint8)
    assert [str(out.shape) for out in exported.out_avals] == ["(batch, 7)", "(batch, 2, 2)"]
    # Nothing of the training is in it: no random numbers, no batch statistics.
    text = exported.mlir_module()
    assert "rng" not in text
    assert "rsqrt" not in text


def test_a_damaged_file_is_refused(mobilenet, file, tmp_path):
    path = tmp_path / "student.stablehlo"
    for content in (b"", b"no model", file.read_bytes()[:-1000]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"student.stablehlo is no StableHLO file of this project, or damaged"):
            stablehlo_runner.load(path, mobilenet.card)
    with pytest.raises(UserError, match="it has 7 classes, not 2"):
        stablehlo_runner.load(file, mobilenet.card_of(classes=("a", "b")))
    with pytest.raises(UserError, match=r"nowhere.stablehlo cannot be read"):
        stablehlo_runner.load(tmp_path / "nowhere.stablehlo", mobilenet.card)


def test_a_network_of_two_parts_takes_photo_and_mask(rvernet, tmp_path):
    path = tmp_path / "student.stablehlo"
    path.write_bytes(to_stablehlo.convert(rvernet.function))
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    assert [image.shape[1:] for image in exported.in_avals] == [(32, 32, 3), (32, 32, 1)]
    found = stablehlo_runner.load(path, rvernet.card).run(rvernet.images)
    np.testing.assert_allclose(
        found.probabilities, rvernet.runner.run(rvernet.images).probabilities, rtol=1e-3, atol=1e-5
    )
