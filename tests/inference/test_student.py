import doctest
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import jdnet_jax
from jdnet_jax.inference import photos
from jdnet_jax.inference import student as student_lib
from jdnet_jax.process.errors import UserError
from tests import tiny_student


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A photo of noise, which no resize leaves as it is."""
    path = tmp_path_factory.mktemp("photo") / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_the_examples_of_the_module(student, photo):
    results = doctest.testmod(student_lib, extraglobs={"path": student, "photo": photo})
    assert results.attempted > 7
    assert results.failed == 0


def test_a_file_and_its_pixels_get_one_answer(student, photo):
    opened = jdnet_jax.load(student)
    assert repr(opened) == f"<Student {student}: resnet_tiny, 7 classes, 32 px>"
    pixels = np.asarray(Image.open(photo))
    one, other = opened.predict([photo, pixels])
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    np.testing.assert_array_equal(one.activation, other.activation)
    np.testing.assert_array_equal(opened.views([pixels])[0], photos.view_of(photo, opened.card))
    assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)
    assert [p for _, p in one.top] == sorted(one.probabilities, reverse=True)[:5]


@pytest.mark.parametrize(("below", "sure"), [(0.0, None), (1e-6, True), (1.0, False)])
def test_it_says_whether_it_is_sure(tmp_path, photo, below, sure):
    opened = jdnet_jax.load(tiny_student.save(tmp_path / "student", not_sure_below=below))
    assert opened.predict(photo)[0].is_sure is sure


def test_logits_are_those_of_the_answer_before_the_temperature(tmp_path, photo):
    opened = jdnet_jax.load(tiny_student.save(tmp_path / "student", temperature=2.0))
    logits = opened.logits([photo])[0]
    softmax = np.exp(logits / 2) / np.exp(logits / 2).sum()
    np.testing.assert_allclose(opened.predict(photo)[0].probabilities, softmax, rtol=1e-5)


def test_features_times_the_classifier_are_the_logits(student, photo):
    opened = jdnet_jax.load(student)
    classifier = opened.variables["params"]["fc"]
    logits = opened.features([photo]) @ classifier["kernel"] + classifier["bias"]
    np.testing.assert_allclose(logits, opened.logits([photo]), rtol=1e-4, atol=1e-5)


def test_more_photos_than_a_batch(student, photo):
    opened = jdnet_jax.load(student)
    answers = opened.predict([photo] * 33, top=2)
    assert len(answers) == 33
    assert len(answers[-1].top) == 2
    np.testing.assert_allclose(answers[-1].probabilities, answers[0].probabilities, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("nowhere.jpg", r"^nowhere\.jpg: "),
        (np.zeros((4, 4), np.uint8), r"^an array: uint8 of 4x4, and not uint8 pixels"),
        (np.zeros((4, 4, 3), np.float32), r"^an array: float32 of 4x4x3, and not uint8"),
    ],
)
def test_what_is_no_photo_is_named(student, wrong, message):
    with pytest.raises(UserError, match=message):
        jdnet_jax.load(student).predict([wrong])


def test_a_path_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no model at"):
        jdnet_jax.load(tmp_path / "none")


def test_importing_the_package_imports_neither_library():
    code = "import sys, jdnet_jax; assert not {'jax', 'tensorflow', 'absl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
