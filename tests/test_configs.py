"""The configs run for a few steps: on drawn photos, a small tree of UECFood's layout, and a folder of photos."""

import csv
import importlib.util
import json
from pathlib import Path

import jax
import pytest

from jdnet_jax import data, train
from jdnet_jax.handoff import model_card
from jdnet_jax.learning import networks, run_check
from tests import tiny_student
from tests.commands import command
from tests.data.drawn_dataset import prepare_drawn
from tests.data.test_segmentation_maps import make as make_foodseg103
from tests.data.tiny import encode, smooth_photo
from tests.data.uec_food.tree import make_tree as make_uec_food

ROOT = Path(__file__).resolve().parent.parent


def config_of(name, *argument):
    spec = importlib.util.spec_from_file_location(name, ROOT / "configs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(*argument)
    config.snapshots = 0  # each network's maps are one more function to compile; `test_train` has them
    return config


@pytest.mark.slow
@pytest.mark.long
def test_food101_trains_evaluates_and_hands_off(tmp_path, monkeypatch):
    """The config's own terms, optimiser and dtype, as a user starts it, with less of each network's family.

    Its own networks are traced: what compiles them would be 50 layers of the same kind.
    """
    config = config_of("food101")
    run_check.check(config)
    params = {name: networks.shapes(net)[1]["params"] for name, net in networks.build(config, 101).items()}
    # The published counts for 1,000 classes, less the classes that are not there (1,280 or 2,048 features and a bias).
    assert {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in params.items()} == {
        "student": 3_504_872 - 899 * 1281,
        "teacher": 25_557_032 - 899 * 2049,
    }
    prepare_drawn("food101", {"train": 40, "validation": 20}, tmp_path / "tfds", monkeypatch)
    size = {"image_size": 64, "batch_size": 16, "eval_batch_size": 8, "steps": 2, "snapshots": 0}
    flags = (f"--config.{key}={value}" for key, value in size.items())
    result = command(
        "main",
        "--config=configs/food101.py",
        *flags,
        "--config.student.model=mobilenetv2_035",
        "--config.teachers.teacher.model=resnet18",
        f"--config.dataset.data_dir={tmp_path / 'tfds'}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert result.returncode == 0, result.stderr[-4000:]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["student"]["test"]["count"] == 20
    assert (tmp_path / "run" / "student" / "model.json").exists()


@pytest.mark.slow
def test_uec256_trains_evaluates_and_hands_off(tmp_path, monkeypatch):
    """The student alone: its networks and terms are those of food101, and compiled in more time than its data take."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    run_check.check(config_of("uec256"))
    config = config_of("uec256", "ce")
    config.dataset.data_dir = str(make_uec_food(tmp_path / "raw", num_classes=256))
    config.image_size, config.batch_size, config.steps, config.log_every, config.eval_every = 32, 32, 2, 1, 2
    config.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 4}}
    summary = train.train_and_evaluate(config, tmp_path / "run")
    assert summary["student"]["test"]["count"] == 256
    assert "fold 0: test is val0.txt, train and val are all the rest; whole photos" in summary["protocol"]
    classes = json.loads((tmp_path / "run" / "student" / "model.json").read_text())["classes"]
    assert classes == [f"food {number}" for number in range(1, 257)]


@pytest.mark.slow
def test_image_folder_trains_evaluates_and_hands_off(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    for label, name in enumerate(("crème brûlée", "寿司", "pear")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            photo = encode(smooth_photo(100 * label + number, 40, 48), "PNG" if number % 2 else "JPEG")
            (tmp_path / "photos" / name / f"{number} a.jpg").write_bytes(photo)
    config = config_of("image_folder")
    run_check.check(config)  # its own networks and weights, which are those of grocery
    config.dataset.data_dir = str(tmp_path / "photos")
    config.image_size, config.batch_size, config.eval_batch_size, config.steps = 32, 16, 8, 2
    config.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 4}}
    config.teachers.teacher.update(model="resnet_tiny", init="random", options={"width": 8})
    config.losses.mskd.options.stages = (0, 1, 2)
    summary = train.train_and_evaluate(config, tmp_path / "run")
    assert [summary["student"][role]["count"] for role in ("val", "test")] == [3, 6]  # of few photos more are tested on
    assert "val is 10 % of each class and test is 20 % of each class" in summary["protocol"]
    model = json.loads((tmp_path / "run" / "student" / "model.json").read_text(encoding="utf-8"))
    assert model["classes"] == ["crème brûlée", "pear", "寿司"]
    assert train.train_and_evaluate(config, tmp_path / "run") == summary  # the same command, on the same photos
    with open(tmp_path / "run" / "mistakes.csv", encoding="utf-8", newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert len(mistakes) == 6 - round(6 * summary["student"]["test"]["top1"])
    assert all(row["photo"].split("/")[0] == row["label"] != row["prediction"] for row in mistakes)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(row["photo"] in page for row in mistakes)


def meal_run(name, argument, features, counts, tmp_path, monkeypatch):
    """Two steps of one of MEAL's configs, on drawn photos, with small networks in the place of its own."""
    config = config_of(name, argument)
    prepare_drawn(features, counts, tmp_path / "tfds", monkeypatch)
    config.dataset.data_dir = str(tmp_path / "tfds")
    config.dataset.splits.update(train="train[:-8]", val="train[-8:]")
    classes = data.prepare(config.dataset).class_names
    config.image_size, config.batch_size, config.eval_batch_size, config.steps, config.log_every = 32, 16, 16, 2, 1
    config.student.update(model="resnet_tiny", init="random", options={"width": 4})
    for width, (teacher, entry) in enumerate(config.teachers.items(), start=4):
        at = tiny_student.save(tmp_path / teacher, options={"width": width}, classes=classes)
        entry.update(model="resnet_tiny", init=str(at), options={"width": width})
    if config.blocks.lengths:
        config.blocks.lengths, config.losses.similarity.options.gammas = (16, 8, 4), (0.01, 0.1, 0.1, 1.0)
    config.blocks.stages = {}
    return train.train_and_evaluate(config, tmp_path / "run")


@pytest.mark.slow
def test_meal_on_svhn_trains_from_drawn_teachers(tmp_path, monkeypatch):
    counts = {"train": 48, "test": 20, "extra": 1}
    argument = "meal,teachers=vgg19_bn+resnet18"
    assert config_of("meal_svhn", argument).dataset.splits.val == "train[-6000:]"
    summary = meal_run("meal_svhn", argument, "svhn_cropped", counts, tmp_path, monkeypatch)
    assert summary["protocol"].startswith("svhn_cropped/3")
    assert summary["student"]["test"]["count"] == 20
    assert summary["ensemble"]["teachers"] == ["resnet18", "vgg19_bn"]


@pytest.mark.slow
def test_meal_v2_on_imagenet_trains_from_the_mean(tmp_path, monkeypatch):
    counts = {"train": 48, "validation": 20, "test": 1}
    summary = meal_run("meal_imagenet", "", "imagenet2012", counts, tmp_path, monkeypatch)
    assert summary["recipe"] == "meal_v2"
    assert summary["ensemble"]["test"]["count"] == 20


@pytest.mark.slow
def test_deit_is_distilled_from_a_cnn(tmp_path, small_data, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    config = config_of("deit_demo")
    config.dataset.options.counts = (64, 24, 41)
    config.image_size, config.batch_size, config.eval_batch_size, config.steps, config.log_every = 32, 8, 8, 2, 1
    config.student.model = "deit_tiny_distilled_test"
    config.teachers.teacher.options.width = 4
    summary = train.train_and_evaluate(config, tmp_path / "run")
    cnn = json.loads((tmp_path / "run" / "teachers" / "teacher" / "summary.json").read_text())
    assert (cnn["student"]["model"], cnn["steps"]) == ("resnet_tiny", 2)
    assert summary["recipe"] == "deit_hard"
    assert summary["teachers"]["teacher"]["test"]["count"] == summary["student"]["test"]["count"] == 41
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {key for line in lines for key in line if key.startswith("loss/")} == {"loss/distill_teacher", "loss/total"}


@pytest.mark.slow
def test_rvernet_trains_on_maps_of_ingredients(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    config = config_of("rvernet_foodseg103")
    config.dataset.data_dir = str(make_foodseg103("foodseg103", tmp_path / "raw"))
    config.image_size, config.batch_size, config.eval_batch_size, config.steps = 32, 8, 8, 2
    config.student.options.update(roi="resnet_tiny", context="deit_tiny_distilled_test", hidden=8)
    summary = train.train_and_evaluate(config, tmp_path / "run")
    assert summary["student"]["test"]["count"] == 6
    card = model_card.read(tmp_path / "run" / "student" / "model.json")
    assert (card.view, card.fit, len(card.classes)) == ("roi+context", "pad", 103)
