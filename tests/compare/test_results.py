import json

import pytest

from jdnet_jax.compare import results
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir, plain
from tests.compare import runs


def test_a_finished_run(tmp_path):
    found = results.read(runs.make(tmp_path, "ce", 2, [1, 0, 1, 1]))
    assert (found.recipe, found.seed, found.protocol) == ("ce", 2, runs.PROTOCOL)
    assert found.hits.tolist() == [True, False, True, True]
    assert found.training_seconds == 100 * 8 / 50
    assert results.read(Workdir(found.path), "roi").recipe == "roi"


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not the folder of a run"):
        results.read(Workdir(tmp_path / "nowhere"))
    place = runs.make(tmp_path, "ce", 0, [1])
    place.evaluation.unlink()
    assert results.read(place).hits is None
    place.summary.write_text("{}")
    with pytest.raises(UserError, match=r"summary.json is damaged \(recipe is missing\): delete summary.json"):
        results.read(place)
    place.summary.unlink()
    with pytest.raises(UserError, match=r"ce-0 is not finished: continue it"):
        results.read(place)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
        ({"losses__mskd__weight": 3.0, "keep_checkpoints": 9, "dataset__data_dir": "/elsewhere"}, []),
        ({"epochs": 3.0}, []),  # steps say how long it is
        ({"steps": 99}, ["steps"]),
        ({"batch_size": 16}, ["batch_size"]),
        ({"augment__mixup": 0.2}, ["augment.mixup"]),
        ({"dataset__splits__test": "val"}, ["dataset.splits.test"]),
        ({"student__model": "resnet50", "select": "last"}, ["select", "student.model"]),
        ({"resolutions": {"student": 160, "teacher": 192}}, ["resolutions.student"]),
        ({"resolutions": {"teacher": 192, "student": 0}}, []),
        ({"fit": "pad"}, ["fit"]),
    ],
)
def test_budget_data_and_student_must_be_the_same(changes, keys):
    resolutions = changes.pop("resolutions", None)
    other = runs.config("jdnet", 1, **changes)
    if resolutions:
        other.resolutions = resolutions
    lines = results.unlike({"a": plain(runs.config("ce", 0)), "b": plain(other)})
    assert sorted(lines) == [f"b differs from a in config.{key}" for key in keys]


def test_runs_of_before_a_key_was_there_are_compared():
    earlier = plain(runs.config("ce", 0))
    del earlier["fit"], earlier["resolutions"]
    assert results.unlike({"a": earlier, "b": plain(runs.config("jdnet", 0))}) == []


def test_no_runs_differ_in_nothing():
    assert results.unlike({}) == results.unlike_runs([]) == []


@pytest.mark.parametrize(
    ("changes", "hits", "share"),
    [
        ({}, [0, 0, 1], True),
        ({"dataset__options": {"masks": "/made"}, "dataset__view": "roi"}, [0, 0, 1], True),
        ({"dataset__options": {"seed": 1}}, [0, 0, 1], False),
        ({"dataset__splits__test": "val"}, [0, 0, 1], False),
        ({}, [0, 0], False),
    ],
)
def test_photos_are_paired_where_they_are_the_same(tmp_path, changes, hits, share):
    one = results.read(runs.make(tmp_path, "ce", 0, [1, 0, 1]))
    options = changes.pop("dataset__options", None)
    config = runs.config("jdnet", 0, **changes)
    if options:
        config.dataset.options = options
    place = Workdir(tmp_path / "other")
    runs.finish(place, config, hits)
    assert one.shares_photos_with(results.read(place)) == share
    assert results.read(place).shares_photos_with(one) == share


def test_photos_of_runs_that_kept_none_are_not_paired(tmp_path):
    places = [runs.make(tmp_path, recipe, 0, [1]) for recipe in ("ce", "jdnet")]
    places[1].evaluation.unlink()
    one, other = (results.read(place) for place in places)
    assert not one.shares_photos_with(other)
    assert not other.shares_photos_with(one)


def test_epochs_count_where_there_are_no_steps():
    one, two = (plain(runs.config("ce", 0, steps=0, epochs=epochs)) for epochs in (1.0, 2.0))
    assert results.unlike({"a": one, "b": two}) == ["b differs from a in config.epochs"]


def test_steps_and_epochs_are_one_difference():
    one, two = plain(runs.config("ce", 0, steps=0)), plain(runs.config("ce", 0))
    assert results.unlike({"a": one, "b": two}) == ["b differs from a in config.steps"]


def test_other_data_behind_one_config_are_found(tmp_path):
    places = [runs.make(tmp_path, recipe, 0, [1]) for recipe in ("ce", "jdnet")]
    summary = json.loads(places[1].summary.read_text())
    places[1].summary.write_text(json.dumps(summary | {"protocol": "other"}))
    (line,) = results.unlike_runs([results.read(place) for place in places])
    assert line.endswith("jdnet-0 has other data (other) than " + f"{places[0].path} ({runs.PROTOCOL})")
