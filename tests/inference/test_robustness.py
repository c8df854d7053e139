import numpy as np
import pytest

from jdnet_jax.inference import robustness
from jdnet_jax.inference.perturbation import parse
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.process.errors import UserError
from tests import tiny_student

CLASSES = len(tiny_student.CLASSES)


class ByBrightness:
    """A runner that gives class k where the top left pixel is 10 k, and class 6 where it is anything else."""

    card = tiny_student.card()

    def run(self, images):
        corner = images[:, 0, 0, 0].astype(int)
        given = np.where((corner % 10 == 0) & (corner < 60), corner // 10, 6)
        probabilities = np.full((len(images), CLASSES), 0.05, np.float32)
        probabilities[np.arange(len(images)), given] = 0.7
        return Prediction(probabilities, np.zeros((len(images), 1, 1), np.float32))


def batches(labels, split=3, **more):
    labels = np.array(labels)
    images = np.broadcast_to((10 * labels)[:, None, None, None], (len(labels), 32, 32, 3)).astype(np.uint8)
    for begin in range(0, len(labels), split):
        part = slice(begin, begin + split)
        yield {"image": images[part], "label": labels[part], "index": np.arange(len(labels))[part], **more}


def run(labels, texts, **changes):
    options = {"seed": 0, "on": None, "draws": 200, **changes}
    return robustness.conditions(ByBrightness(), batches(labels), parse(texts), **options)


def test_what_a_perturbation_costs_by_hand():
    labels = [0, 0, 1, 2, 2]
    # Moved down, the corner is grey 125: everything becomes class 6. Evenly grey patches may change places.
    found = run(labels, ["translocation:0,5", "permutation:8"])
    assert list(found) == ["clean", "translocation:0,5", "permutation:8"]
    told = robustness.as_json(found)
    moved, permuted = told["perturbed"]
    assert told["intervals"] == {"top1": [1.0, 1.0], "macro_f1": [1.0, 1.0]}
    assert (moved["perturbation"], moved["top1"], moved["macro_f1"], moved["count"]) == (
        "translocation:0,5",
        0.0,
        0.0,
        5,
    )
    assert moved["lost"]["top1"] == moved["lost"]["macro_f1"] == 1.0
    assert moved["lost"]["intervals"]["top1"] == [1.0, 1.0]
    assert permuted["lost"] == {"top1": 0.0, "macro_f1": 0.0, "intervals": {"top1": [0.0, 0.0], "macro_f1": [0.0, 0.0]}}
    table = robustness.table(found).splitlines()
    assert len(table) == 4
    assert table[2].split()[:4] == ["translocation:0,5", "0.00", "(0.00", "to"]
    assert "100.00 (100.00 to 100.00)" in table[2]


def test_without_a_bootstrap_there_are_no_intervals():
    told = robustness.as_json(run([0, 1], ["translocation:0,5"], draws=0))
    assert told["intervals"] is None
    assert told["perturbed"][0]["lost"] == {"top1": 1.0, "macro_f1": 1.0}
    assert "to" not in robustness.table(run([0, 1], [], draws=0)).split()


def test_macro_f1_of_some_classes():
    # Both photos of class 0 are right, the one of class 5 is called 6: over all that occur (1 + 0 + 0) / 3.
    labels = [0, 0, 5]
    views = [{**batch, "image": np.where(batch["label"] == 5, 77, 0)} for batch in batches(labels)]
    views = [{**v, "image": np.broadcast_to(v["image"][:, None, None, None], (3, 32, 32, 3))} for v in views]
    for averaged, expected in ((None, 1 / 3), ([0, 5], 1 / 2)):
        found = robustness.conditions(ByBrightness(), views, {}, seed=0, on=None, draws=0, averaged=averaged)
        assert found["clean"].scores.summary()["macro_f1"] == pytest.approx(expected)


def test_inputs_of_a_model_of_two():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (2, 32, 32, 3), np.uint8)
    batch = {"image": pixels, "context": pixels.copy(), "label": np.array([0, 1]), "index": np.array([7, 8])}
    permutation = parse(["permutation:8"])["permutation:8"]
    both = robustness.perturbed(batch, permutation, 0, "both")
    assert (both["image"] != pixels).any()
    np.testing.assert_array_equal(both["image"], both["context"])  # by the same draws
    np.testing.assert_array_equal(robustness.perturbed(batch, permutation, 0, None)["context"], both["context"])
    roi, context = (robustness.perturbed(batch, permutation, 0, on) for on in ("roi", "context"))
    np.testing.assert_array_equal(roi["image"], both["image"])
    np.testing.assert_array_equal(roi["context"], pixels)
    np.testing.assert_array_equal(context["image"], pixels)
    np.testing.assert_array_equal(context["context"], both["context"])


def unread():
    raise AssertionError
    yield


class NotRun:
    """A runner of a view and a format that is asked for nothing."""

    def __init__(self, view, file_format="flax"):
        self.card = tiny_student.card(view=view, file_format=file_format)

    def run(self, images):
        raise AssertionError


@pytest.mark.parametrize("view", ["photo", "roi"])
def test_a_model_of_one_input_has_no_context(view):
    perturbations = parse(["permutation:8"])
    with pytest.raises(UserError, match=f"--perturb_on=context: the model has one input, {view}; leave"):
        robustness.conditions(NotRun(view), unread(), perturbations, seed=0, on="context", draws=0)


@pytest.mark.parametrize("on", [None, "roi"])
def test_a_file_that_cuts_its_photo_itself_is_not_perturbed(on):
    runner = NotRun("roi+context", "tflite")
    perturbations = parse(["permutation:8"])
    with pytest.raises(
        UserError, match=r"a tflite file of roi\+context cuts the region of interest out itself.*: name the workdir"
    ):
        robustness.conditions(runner, unread(), perturbations, seed=0, on=on, draws=0)
    with pytest.raises(AssertionError):  # as they are, the photos are looked at
        robustness.conditions(runner, unread(), {}, seed=0, on=None, draws=0)


def test_a_size_that_does_not_fit_is_told_before_any_photo_is_read():
    with pytest.raises(UserError, match="32 pixels cannot be cut into patches of 5"):
        robustness.conditions(ByBrightness(), unread(), parse(["permutation:5"]), seed=0, on=None, draws=0)
