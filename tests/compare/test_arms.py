import json

import pytest

from jdnet_jax.compare import arms, results
from jdnet_jax.run.workdir import plain
from tests.compare import runs


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
        ({"losses__mskd__weight": 3.0, "keep_checkpoints": 9, "dataset__data_dir": "/elsewhere"}, []),
        ({"dataset__cache": True}, []),
        ({"dataset__cache": "decoded"}, ["dataset.cache"]),  # from photos of another size
        ({"epochs": 3.0}, []),  # steps say how long it is
        ({"steps": 99}, ["steps"]),
        ({"batch_size": 16}, ["batch_size"]),
        ({"augment__mixup": 0.2}, ["augment.mixup"]),
        ({"dataset__splits__test": "val"}, ["dataset.splits.test"]),
        ({"student__model": "resnet50", "select": "last"}, ["select", "student.model"]),
        ({"resolutions": {"student": 160, "teacher": 192}}, ["resolutions.student"]),
        ({"resolutions": {"teacher": 192, "student": 0}}, []),
        ({"fit": "pad"}, ["fit"]),
        ({"optimizer__name": "sgd", "optimizer__clip_norm": 1.0}, ["optimizer.clip_norm", "optimizer.name"]),
        ({"schedule__learning_rate": 0.1}, ["schedule.learning_rate"]),
        ({"schedule__name": "step", "grad_accum": 2}, ["grad_accum", "schedule.name"]),
        ({"losses__ce__options__label_smoothing": 0.1}, ["losses.*.options.label_smoothing"]),
        (
            {"augment__cutmix": 1.0, "augment__rand_augment__layers": 2},
            ["augment.cutmix", "augment.rand_augment.layers"],
        ),
        ({"groups": {"student": {"schedule": {"learning_rate": 0.1}}}}, ["schedule.learning_rate"]),
        ({"groups": {"student": {"schedule": {"learning_rate": 1e-3}}}}, []),  # what it is anyway
        ({"groups": {"teacher": {"optimizer": {"name": "sgd"}}, "adapters": {"schedule": {"warmup": 0.0}}}}, []),
        ({"groups": {"student_head": {"schedule": {"learning_rate": 0.1}}}}, ["groups.student_head"]),
    ],
)
def test_budget_data_and_student_must_be_the_same(changes, keys):
    sections = {key: changes.pop(key) for key in ("resolutions", "groups") if key in changes}
    other = runs.config("jdnet", 1, **changes)
    for key, section in sections.items():
        other[key] = section
    lines = arms.unlike({"a": plain(runs.config("ce", 0)), "b": plain(other)})
    assert sorted(lines) == [f"b differs from a in config.{key}" for key in keys]


def test_runs_of_before_a_key_was_there_are_compared():
    earlier = plain(runs.config("ce", 0))
    del earlier["fit"], earlier["resolutions"], earlier["augment"]["repeats"]
    assert arms.unlike({"a": earlier, "b": plain(runs.config("jdnet", 0))}) == []


def test_runs_with_a_key_that_is_removed_are_compared_where_it_changed_nothing():
    earlier, later = plain(runs.config("jdnet", 0)), plain(runs.config("jdnet", 1))
    earlier["share_every"] = 20
    for entry in earlier["losses"].values():
        entry["share"] = 0.0
    assert arms.unlike({"a": earlier, "b": later}) == []
    earlier["losses"]["mskd"]["share"] = 0.3
    assert arms.unlike({"a": earlier, "b": later}) == ["b differs from a in config.losses.mskd.share"]
    assert "mskd 1 (share 0.3)" in arms.described("jdnet", earlier)


def test_no_runs_differ_in_nothing():
    assert arms.unlike({}) == results.unlike_runs([]) == []


def test_epochs_count_where_there_are_no_steps():
    one, two = (plain(runs.config("ce", 0, steps=0, epochs=epochs)) for epochs in (1.0, 2.0))
    assert arms.unlike({"a": one, "b": two}) == ["b differs from a in config.epochs"]


def test_steps_and_epochs_are_one_difference():
    one, two = plain(runs.config("ce", 0, steps=0)), plain(runs.config("ce", 0))
    assert arms.unlike({"a": one, "b": two}) == ["b differs from a in config.steps"]


@pytest.mark.parametrize("key", ["patience", "dataset.balance", "losses.ce.options.balance"])
def test_what_changes_a_training_is_held(key):
    one, two = plain(runs.config("ce", 0)), runs.config("jdnet", 0)
    two.update_from_flattened_dict({key: 1 if key == "patience" else 0.5})
    assert arms.unlike({"a": one, "b": plain(two)}) == [f"b differs from a in config.{key}"]


def test_other_data_behind_one_config_are_found(tmp_path):
    places = [runs.make(tmp_path, recipe, 0, [1]) for recipe in ("ce", "jdnet")]
    summary = json.loads(places[1].summary.read_text())
    places[1].summary.write_text(json.dumps(summary | {"protocol": "other"}))
    (line,) = results.unlike_runs([results.read(place) for place in places])
    assert line.endswith("jdnet-0 has other data (other) than " + f"{places[0].path} ({runs.PROTOCOL})")


def test_seeds_of_one_recipe_share_its_losses_and_teachers():
    one, other = (plain(runs.config("jdnet", seed)) for seed in (0, 1))
    assert arms.unlike({"a": one, "b": other}) == []
    other["losses"]["mskd"]["weight"] = 3.0
    other["teachers"]["teacher"]["init"] = "another"  # a teacher that was trained first, with that seed
    other["teachers"]["teacher"]["model"] = "resnet18"
    lines = [f"b differs from a in config.{key}" for key in ("losses.mskd.weight", "teachers.teacher.model")]
    assert sorted(arms.unlike({"a": one, "b": other})) == lines
    alone = plain(runs.config("ce", 0))
    assert sorted(arms.unlike({"c": alone, "a": one, "b": other})) == lines


def test_what_a_recipe_defines_is_no_difference_between_recipes(monkeypatch):
    """A recipe that comes with mixup, as function matching does."""

    def with_mixup(config, recipe):
        if recipe == "kd":
            config.augment.mixup, config.recipe = 1.0, "kd"
        return config

    monkeypatch.setattr(arms, "apply_recipe", with_mixup)
    alone, mixed, other = (plain(runs.config(recipe, 0)) for recipe in ("ce", "kd", "kd"))
    mixed["augment"]["mixup"], other["augment"]["mixup"] = 1.0, 0.5
    assert arms.unlike({"a": alone, "b": mixed}) == []
    assert arms.described("kd", mixed).endswith("; augment.mixup = 1.0")
    assert arms.unlike({"a": alone, "b": mixed, "c": other}) == ["c differs from b in config.augment.mixup"]
    alone["augment"]["cutmix"] = 1.0
    assert arms.unlike({"a": alone, "b": mixed}) == ["b differs from a in config.augment.cutmix"]


def test_the_smoothing_of_labels_is_that_of_the_loss_that_has_them():
    alone, deit, meal = (plain(runs.config(recipe, 0)) for recipe in ("ce", "deit_hard", "meal"))
    deit["losses"]["distill"]["options"]["label_smoothing"] = 0.1
    key = "config.losses.*.options.label_smoothing"
    assert arms.unlike({"a": alone, "b": deit}) == [f"b differs from a in {key}"]
    alone["losses"]["ce"]["options"]["label_smoothing"] = 0.1
    assert arms.unlike({"a": alone, "b": deit}) == []
    assert arms.unlike({"a": alone, "b": meal}) == []  # it has no labels to smooth


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        ("ce", "ce: no teacher; losses ce 1"),
        ("jdnet", "jdnet: teacher resnet50 (random, learns along); losses ce 1, mskd 1, ial 1"),
        (
            "jdnet_oneway",
            "jdnet_oneway: teacher resnet50 (random, learns along); losses ce 1, mskd 1 (r 0.0), ial 1 (r 0.0)",
        ),
        ("kd", "kd: teacher resnet50 (trained before, frozen); losses ce 1, kl 1"),
        (
            "fitnet",
            "fitnet: teacher resnet50 (trained before, frozen); losses ce 1, mskd 1 (variant l2, stages [1])",
        ),
    ],
)
def test_a_recipe_in_one_line(recipe, line):
    assert arms.described(recipe, plain(runs.config(recipe, 0))) == line


def test_a_schedule_of_a_weight_is_told():
    config = runs.config("jdnet", 0, losses__mskd__schedule__name="linear", losses__mskd__weight=0.5)
    config.teachers.teacher.init = "/runs/teacher-0"
    assert "teacher resnet50 (trained before, learns along)" in arms.described("mine", plain(config))
    assert "mskd 0.5 (schedule linear)" in arms.described("mine", plain(config))
