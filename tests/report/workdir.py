"""A workdir as a run leaves it, made by hand: three classes with awkward names, a student and a teacher."""

import json

import numpy as np

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.files import array_file
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.run.workdir import Workdir

CLASSES = ("apple pie", '<script>alert("x")</script>', "crème & brûlée")
CONFUSION = {"student": np.array([[4, 1, 0], [3, 2, 0], [0, 0, 5]]), "teacher": np.diag([5, 5, 5])}


def make(folder, *, finished=True):
    """The workdir; of a run that goes on where it is not finished, with a line that is being written."""
    place = Workdir(folder)
    config = recipes.apply_recipe(config_lib.default(), "jdnet")
    config.steps, config.seed = 40, 3
    place.claim(config)
    place.claim_data("drawn: train 9 (train), val 5 (val), test 15 (test)")
    place.command.write_text("python -m jdnet_jax.main --config=configs/demo.py '--config.x=<b>'\n")
    lines = [_line(step) for step in range(0, 41 if finished else 21, 10)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    place.metrics.write_text(text + ("" if finished else '{"step": 30, "loss/to'))
    _snapshots(place, (0, 20, 40) if finished else (0, 20))
    if finished:
        _results(place)
    return place


def _line(step):
    line = {"step": step, "val/student/top1": 0.2 + step / 100, "val/teacher/top1": 0.3 + step / 100}
    if step == 0:
        line |= {"val/probe/top1": 0.2}
    if step:
        line |= {f"loss/{term}": 3.0 - step / 40 for term in ("total", "ce_student", "ce_teacher", "mskd_teacher")}
        line |= {"loss/ial_teacher": None if step == 20 else 0.5, "weight/mskd_teacher": step / 4}
        line |= {"gradient_share/mskd_teacher": step / 100, "gradient_cosine/mskd_teacher": -0.5}
        line |= {"learning_rate/student": 1e-3, "learning_rate/teacher": 1e-3, "images_per_second": 90.5}
        line |= {"accuracy/student": 0.4, "accuracy/teacher": 0.5, "grad_norm/student": 1.5}
    return line


def _snapshots(place, steps):
    place.snapshots.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    photos = {"image": images, "label": np.array([0, 1]), "name": np.array(CLASSES[:2])}
    array_file.write(place.snapshots / "photos.npz", photos)
    for step in steps:
        maps = {f"{name}/map": rng.random((2, 4, 4)).astype(np.float32) for name in CONFUSION}
        shares = {f"{name}/probability": np.array([0.25, 0.5], np.float32) for name in CONFUSION}
        array_file.write(place.snapshots / f"{step}.npz", maps | shares)


def _results(place):
    labels, answers = (np.repeat(axis, CONFUSION["student"].ravel()) for axis in np.indices((3, 3)).reshape(2, 9))
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.4, 1.0, 15).astype(np.float32)
    arrays = {f"confusion/{name}": counts for name, counts in CONFUSION.items()}
    for role in ("val", "test"):
        arrays |= {f"{role}/label": labels, f"{role}/prediction": answers}
        arrays |= {f"{role}/confidence": confidence, f"{role}/calibrated": confidence**2}
    arrays["test/path"] = np.array([f"photos/{number} & more.jpg" for number in range(15)])
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    arrays |= {"confused/label": np.array([1, 0]), "confused/prediction": np.array([0, 1]), "confused/image": images}
    array_file.write(place.evaluation, arrays)
    scores = {"top1": 11 / 15, "top5": 1.0, "macro_f1": 0.71, "loss": 0.9, "count": 15}
    errors = {"ece_before": 0.125, "ece_after": 0.0625}
    student = {"model": "mobilenetv2_100", "params": 2_000_000, "multiply_adds": 300_000_000}
    teacher = {"model": "resnet50", "params": 8_000_000, "multiply_adds": 4_000_000_000}
    student |= {"val": scores, "test": scores, "sha256": "0" * 64}
    student["calibration"] = {"temperature": 1.25, "val": errors, "test": errors}
    away = {"count": 15, "turned_away": 3, "right_turned_away": 1, "top1": 10 / 12}
    student["not_sure"] = {"below": 0.3, "share": 0.05, "fitted_on": 120, "val": away, "test": away}
    teacher |= {"val": scores, "test": {**scores, "top1": 1.0}}
    summary = {"recipe": "jdnet", "dataset": "drawn", "protocol": "drawn", "step": 40, "steps": 40, "seed": 3}
    summary |= {"imbalance": {"largest": CLASSES[0], "most": 120, "smallest": CLASSES[1], "fewest": 10}}
    summary |= {"ended_early": {"step": 40, "why": "ended early, after step 40 of 90"}}
    summary |= {"images_per_second": 90.5, "student": student, "teachers": {"teacher": teacher}}
    place.student.mkdir()
    card = ModelCard("mobilenetv2_100", CLASSES, 224, (0.0,) * 3, (255.0,) * 3, 256)
    (place.student / "model.json").write_text(card.to_json())
    place.summary.write_text(json.dumps(summary))
