import contextlib
import io
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jdnet_jax import handoff, train
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.data.synthetic_meals.scene import CLASS_NAMES
from jdnet_jax.figures import intervals
from jdnet_jax.files import array_file
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.inference import flax_runner, labelled_photos, scoring
from jdnet_jax.learning import run_check
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.process.errors import UserError
from jdnet_jax.run import metrics, snapshots
from jdnet_jax.run.workdir import Workdir
from tests import tiny_recipe as tiny
from tests import tiny_student
from tests.data.tiny import encode, smooth_photo
from tests.killed_run import Killed, train_until
from tests.spoilt_run import spoilt

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prepared_data")]


def small_run(**changes):
    """A few steps on a few embedded pictures: every part of a run, in seconds."""
    config = tiny.config()
    config.dataset.options = {"counts": (64, 24, 41)}
    config.crop_fraction = 1.0
    config.steps, config.eval_every, config.log_every = 6, 3, 2
    config.ema_decay, config.student.options = 0.9, {"width": 4, "drop_rate": 0.1}
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


def alone(**changes):
    """The student without its teacher: for what the loop does, whatever it trains, and compiled in less time."""
    return recipes.apply_recipe(small_run(**{"snapshots": 0, **changes}), "ce")


def photos_without_labels(folder, count):
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(encode(smooth_photo(number, 40, 40), "JPEG"))
    return str(folder)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Makes the config of such a run with all that can go wrong in a resume.

    The gradients of the terms are measured before the first and the last step; the student's head has an optimiser and
    a rate of its own; half of each batch are photos without labels.
    """
    folder = photos_without_labels(tmp_path_factory.mktemp("unlabelled") / "photos", 5)

    def make(**changes):
        config = small_run(**{"gradient_report": 2, "dataset__unlabelled": folder, **changes})
        config.groups = {"student/head": {"schedule": {"learning_rate": 0.1}, "optimizer": {"name": "sgd"}}}
        return config

    return make


@pytest.fixture(scope="module")
def finished(whole_run, tmp_path_factory):
    """(workdir, summary) of a run that was never touched."""
    workdir = tmp_path_factory.mktemp("untouched")
    return workdir, train.train_and_evaluate(whole_run(), workdir)


def test_no_temperature_is_fitted_on_photos_that_were_trained_on(tmp_path, capsys):
    """With checkpoints that are made and kept at multiples too."""
    config = alone(dataset__splits__train="train+val", select="last", keep_every=2, keep_checkpoints=1)
    summary = train.train_and_evaluate(config, tmp_path)
    assert {"2", "4", "6"} <= {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert summary["student"]["calibration"]["temperature"] == 1.0
    assert "val is part of train: neither the temperature nor the threshold is fitted" in capsys.readouterr().err


def test_a_run_that_gets_no_better_on_val_ends_early_also_where_it_was_killed(tmp_path, capsys):
    """With a learning rate of 0 and no running statistics that move val stays where it is."""
    changes = {"steps": 40, "eval_every": 2, "log_every": 3, "patience": 2, "select": "last", "ema_decay": 0.0}
    changes |= {"schedule__learning_rate": 0.0, "dataset__options": {"size": 32, "counts": (16, 100, 12)}}

    def config():
        made = alone(**changes)
        made.student = {"model": "vit_tiny_test", "init": "random", "options": {}}
        return made

    summary = train.train_and_evaluate(config(), tmp_path / "whole")
    assert (summary["step"], summary["steps"], summary["ended_early"]["step"]) == (4, 40, 4)
    assert "ended early, after step 4 of 40: in 2 evaluations on val" in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss/total" in line] == [3, 4]  # of the last steps too
    train_until(3, config(), tmp_path / "killed")
    again = train.train_and_evaluate(config(), tmp_path / "killed")
    assert again["student"] == summary["student"]
    assert again["ended_early"] == summary["ended_early"]
    (tmp_path / "killed" / "summary.json").unlink()  # as if it had been killed while it was tested
    assert train.train_and_evaluate(config(), tmp_path / "killed")["ended_early"] == summary["ended_early"]


def of_a_trained_student(folder, recipe, **changes):
    """A run whose student begins with the weights of a hand-off."""
    at = tiny_student.save(folder, classes=CLASS_NAMES)
    config = recipes.apply_recipe(small_run(snapshots=0, **changes), recipe)
    config.student = {"model": "resnet_tiny", "init": str(at), "options": {"width": 4}}
    return config


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """(folder, config, summary, what was said) of a probe of the hand-off in `start`; its workdir is `run`."""
    folder = tmp_path_factory.mktemp("probed")
    config = of_a_trained_student(folder / "start", "probe")
    with contextlib.redirect_stderr(io.StringIO()) as said:
        summary = train.train_and_evaluate(config, folder / "run")
    return folder, config, summary, said.getvalue()


def test_a_probe_is_a_run_whose_classifier_is_fitted(probed):
    folder, config, summary, said = probed
    assert (summary["recipe"], summary["step"], summary["steps"], summary["teachers"]) == ("probe", 1, 1, {})
    before, _ = handoff.load(folder / "start")
    after, card = handoff.load(folder / "run")
    changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), dict(before), dict(after))
    assert sum(jax.tree.leaves(changed)) == 2
    assert card.accuracy["test"]["count"] == 41
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1]
    # The kernel of a fitted classifier explains train better than its shares of classes, the fit without features.
    assert lines[1]["loss/total"] < np.log(12)
    assert lines[1]["val/student/top1"] == summary["student"]["val"]["top1"]
    assert (folder / "run" / "report.html").is_file()
    assert "step 1/1 (100%)" in said
    assert train.train_and_evaluate(config, folder / "run") == summary


def test_a_training_says_first_what_a_probe_has(probed, tmp_path, capsys):
    config = of_a_trained_student(tmp_path / "start", "ce", probe=True, steps=1)
    train.train_and_evaluate(config, tmp_path / "run")
    top1 = probed[2]["student"]["val"]["top1"]
    assert (
        f"to beat: the student as it comes, with a linear classifier: {intervals.share(top1, 24)} on val"
        in capsys.readouterr().err
    )
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["val/probe/top1"] == top1


def test_a_start_in_the_folder_of_a_run_that_goes_on_changes_nothing_of_it(tmp_path):
    place = Workdir(tmp_path)
    with place.held():
        place.claim(small_run())
        before = place.config.read_bytes()
        with pytest.raises(UserError, match="another process is training there"):
            train.train_and_evaluate(alone(), tmp_path)
        assert place.config.read_bytes() == before


def test_the_summary_says_what_the_contract_asks_for(finished):
    workdir, summary = finished
    assert json.loads((workdir / "summary.json").read_text()) == summary
    assert {"recipe", "dataset", "step", "seed", "images_per_second", "student", "teachers"} <= set(summary)
    assert summary["recipe"] == "jdnet"
    assert summary["images_per_second"] > 0
    for entry in (summary["student"], summary["teachers"]["teacher"]):
        assert entry["params"] > 0
        assert (entry["val"]["count"], entry["test"]["count"]) == (24, 41)
        for split in ("val", "test"):
            assert set(entry[split]) == {"top1", "top1_interval", "top5", "macro_f1", "loss", "count"}
            assert 0 <= entry[split]["top1"] <= entry[split]["top5"] <= 1
    assert len(summary["student"]["sha256"]) == 64


def test_the_workdir_holds_what_the_contract_names(finished):
    workdir, _ = finished
    names = {path.name for path in workdir.iterdir()}
    files = {"config.json", "data.json", "metrics.jsonl", "summary.json", "evaluation.npz", "report.html", "SHA256SUMS"}
    assert names == files | {"tensorboard", "checkpoints", "student", "snapshots"}
    assert list((workdir / "tensorboard").glob("events.out.tfevents.*"))


def test_the_report_shows_the_run(finished):
    page = (finished[0] / "report.html").read_text()
    top1 = finished[1]["student"]["test"]["top1"]
    assert f"<strong>{intervals.share(top1, 41)}</strong>" in page
    for step in (0, 3, 6):
        assert page.count(f'at step {step}"') == 2 * 6  # two networks, six photos


def test_what_is_kept_of_each_photo_agrees_with_the_summary(finished):
    arrays = array_file.read(finished[0] / "evaluation.npz")
    for role in ("val", "test"):
        hits = arrays[f"{role}/label"] == arrays[f"{role}/prediction"]
        assert hits.mean() == pytest.approx(finished[1]["student"][role]["top1"])
    for name in ("student", "teacher"):
        assert arrays[f"confusion/{name}"].sum() == 41
    assert len(arrays["confused/image"]) == len(arrays["confused/label"]) > 0


def test_metrics_are_one_line_a_logged_step_with_every_term(finished):
    lines = metrics.read(finished[0] / "metrics.jsonl")
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 4, 6]
    logged = next(line for line in lines if line["step"] == 4)
    for term in ("total", "ce_student", "ce_teacher", "mskd_teacher", "ial_teacher", "kl_teacher"):
        assert np.isfinite(logged[f"loss/{term}"])
    assert logged["learning_rate/student"] == logged["learning_rate/teacher"] > 0
    for line in (line for line in lines if "learning_rate/student" in line):
        assert line["learning_rate/student/head"] == pytest.approx(10 * line["learning_rate/student"])
    assert {"val/teacher/top1", "val/student/top1"} <= set(lines[0])


def test_the_gradients_of_the_terms_are_measured_as_often_as_the_config_says(finished):
    lines = {line["step"]: line for line in metrics.read(finished[0] / "metrics.jsonl")}
    terms = ("mskd_teacher", "ial_teacher", "kl_teacher")
    names = {f"gradient_{figure}/{term}" for figure in ("share", "cosine") for term in terms}
    assert set(lines[1]) == {"step"} | names  # before the first step, which has no other line
    assert names <= set(lines[6])
    assert not names & {name for number in (2, 3, 4) for name in lines[number]}
    for line in (lines[1], lines[6]):
        assert all(line[f"gradient_share/{term}"] > 0 for term in terms)
        assert all(-1 <= line[f"gradient_cosine/{term}"] <= 1 for term in terms)
    assert [lines[number]["weight/kl_teacher"] for number in (2, 4, 6)] == [0.5] * 3


def test_the_hand_off_is_the_student_alone(finished):
    workdir, summary = finished
    variables, card = handoff.load(workdir)
    assert sha256(variables) == summary["student"]["sha256"]
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == summary["student"]["params"]
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(variables)]
    assert not any("stage" in name or "adapter" in name for name in names)
    assert card.model == "resnet_tiny"
    assert card.options == {"width": 4, "drop_rate": 0.1}
    assert len(card.classes) == 12
    assert card.image_size == tiny.SIZE
    assert card.accuracy["test"] == summary["student"]["test"]


def test_the_students_temperature_is_in_the_summary_and_in_the_hand_off(finished):
    workdir, summary = finished
    found = summary["student"]["calibration"]
    assert handoff.load(workdir)[1].temperature == found["temperature"] == 1.0
    assert found["fitted_on"] == 0  # val has 24 photos
    for role in ("val", "test"):
        assert set(found[role]) == {"ece_before", "ece_after"}
        assert all(0 <= error <= 1 for error in found[role].values())


def test_the_hand_off_scores_as_the_summary_says(finished):
    workdir, summary = finished
    runner = flax_runner.load(workdir)
    for role in ("val", "test"):
        labelled = labelled_photos.of_dataset(Workdir(workdir).dataset_config(), role, runner.card)
        scores, expected = scoring.score(runner, labelled.batches).summary(), summary["student"][role]
        for name in ("top1", "top1_interval", "top5", "macro_f1", "count"):
            assert scores[name] == expected[name]
        assert scores["ece"] == pytest.approx(summary["student"]["calibration"][role]["ece_after"], abs=1e-5)
        assert labelled.source == runner.card.trained["protocol"]


def test_the_hand_off_of_a_run_that_is_evaluated_at_another_size_has_that_size(tmp_path):
    """With a smaller student, and every augmentation."""
    config = small_run(steps=2, eval_image_size=48, snapshots=1, augment__erasing=0.5, augment__repeats=2)
    config.augment.update(mixup=0.5, cutmix=1.0, rand_augment={"layers": 2, "magnitude": 9.0})
    config.augment.color_jitter.update(brightness=0.2, hue=0.1)
    config.resolutions = {"student": 16}
    summary = train.train_and_evaluate(config, tmp_path)
    runner = flax_runner.load(tmp_path)
    assert (runner.card.image_size, runner.card.shorter_side) == (24, 24)
    own, handed_off = (multiply_adds(flax_runner.create(runner.card, "student"), size) for size in (16, 24))
    assert summary["student"]["multiply_adds"] == handed_off > own
    place = Workdir(tmp_path)
    assert array_file.read(place.evaluation)["confused/image"].shape[1:] == (48, 48, 3)
    photos, maps = snapshots.read(place.snapshots)
    assert photos["image"].shape[1:] == (48, 48, 3)
    assert maps[2]["teacher/map"].shape[1:] == (3, 3)  # at stride 16
    line = metrics.read(place.metrics)[-1]
    assert all(np.isfinite(value) for name, value in line.items() if name.startswith("loss/"))
    config.eval_image_size = 0
    with pytest.raises(UserError, match="differs in eval_image_size"):
        train.train_and_evaluate(config, tmp_path)


def test_the_same_command_on_a_finished_run_only_reads(finished, whole_run, capsys):
    workdir, summary = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    assert train.train_and_evaluate(whole_run(), workdir) == summary
    assert (workdir / "metrics.jsonl").read_bytes() == before
    assert f"the run in {workdir} is finished: to train again" in capsys.readouterr().err


def test_an_interrupted_run_ends_with_the_same_bits(finished, whole_run, tmp_path, capsys):
    workdir, summary = finished

    train_until(4, whole_run(), tmp_path)
    # Lines after the newest checkpoint (step 3) are written again, not twice.
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "loss/total": 1.0}\n{"step": 5, "lo')
    resumed = train.train_and_evaluate(whole_run(), tmp_path)
    assert ": 5 photos without labels" in capsys.readouterr().err
    assert resumed["student"]["sha256"] == summary["student"]["sha256"]
    assert [line["step"] for line in metrics.read(tmp_path / "metrics.jsonl")] == [0, 1, 2, 3, 4, 6]
    for ours, theirs in zip(*(metrics.read(Path(d) / "metrics.jsonl") for d in (tmp_path, workdir)), strict=True):
        same = {key for key in ours if key.startswith(("loss/", "weight/", "gradient_")) and ours["step"] != 4}
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    snapshots = sorted(path.name for path in (workdir / "snapshots").iterdir())
    assert snapshots == ["0.npz", "3.npz", "6.npz", "photos.npz"]
    for name in snapshots:
        assert (tmp_path / "snapshots" / name).read_bytes() == (workdir / "snapshots" / name).read_bytes()


def test_a_run_whose_newest_checkpoint_is_damaged_ends_with_the_same_bits(finished, whole_run, tmp_path, capsys):
    workdir, summary = finished
    run = shutil.copytree(workdir, tmp_path / "run")
    for path in (run / "summary.json", run / "checkpoints" / "6" / "default" / "_METADATA"):
        path.unlink()
    resumed = train.train_and_evaluate(whole_run(), run)
    lines = capsys.readouterr().err
    assert f"checkpoint {run / 'checkpoints' / '6'} is damaged (default/_METADATA is missing)" in lines
    assert "continuing after step 3 of 6" in lines
    assert resumed["student"]["sha256"] == summary["student"]["sha256"]
    assert [line["step"] for line in metrics.read(run / "metrics.jsonl")] == [0, 1, 2, 3, 4, 6]


def test_unlabelled_photos_must_be_as_many_on_each_device():
    with pytest.raises(UserError, match=r"config.dataset.unlabelled_share is 0.1, 2 of the 16 photos of a batch: it m"):
        run_check.check(small_run(dataset__unlabelled="photos", dataset__unlabelled_share=0.1))


def test_a_run_goes_on_with_the_data_it_began_with_only(finished, whole_run, tmp_path):
    workdir, _ = finished
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()  # as after a kill before the end
    (tmp_path / "run" / "data.json").write_text('{"protocol": "a smaller set"}')
    with pytest.raises(UserError, match=r"belongs to a run on other data \(a smaller set\) than is there now"):
        train.train_and_evaluate(whole_run(), tmp_path / "run")
    shutil.copy(workdir / "data.json", tmp_path / "run")
    fewer = photos_without_labels(tmp_path / "photos", 4)
    with pytest.raises(UserError, match=r"belongs to a run on other data .*: 5 photos without labels"):
        train.train_and_evaluate(whole_run(dataset__unlabelled=fewer), tmp_path / "run")


def test_where_the_data_lies_may_change_between_starts(finished, whole_run):
    workdir, summary = finished
    assert train.train_and_evaluate(whole_run(dataset__data_dir="elsewhere"), workdir) == summary


def test_the_workdir_of_another_config_is_left_alone(finished, whole_run):
    workdir, _ = finished
    with pytest.raises(UserError, match=r"belongs to a run of another config, which differs in epochs, seed: choose"):
        train.train_and_evaluate(whole_run(epochs=9.0, seed=1), workdir)


def test_how_often_to_log_may_change_between_starts(finished, whole_run):
    workdir, summary = finished
    assert train.train_and_evaluate(whole_run(log_every=1), workdir) == summary


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_and_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(train.run_check, "check", lambda config: None)  # which refuses such a learning rate
    config = small_run(steps=40, checkpoint_every=1, eval_every=40, log_every=40, snapshots=0)
    config.groups = {
        "teacher": {
            "schedule": {"name": "constant", "learning_rate": 1e18, "warmup": 0.0},
            "optimizer": {"name": "sgd"},
        }
    }
    with pytest.raises(UserError) as error:
        train.train_and_evaluate(config, tmp_path)
    message = str(error.value)
    assert "is not finite" in message
    assert "teacher" in message.split("is not finite")[0]
    assert f"the last good checkpoint is {tmp_path / 'checkpoints'}" in message
    newest = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert f"{tmp_path / 'checkpoints' / str(newest)}:" in message
    assert not (tmp_path / "summary.json").exists()
    # What was saved is good: every number in it is finite.
    with ocp.StandardCheckpointer() as checkpointer:
        path = tmp_path / "checkpoints" / str(newest) / "default"
        like = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, leaf.dtype), checkpointer.metadata(path).item_metadata.tree
        )
        restored = checkpointer.restore(path, like)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(restored["params"]))


def spoil(monkeypatch, numbers, seeds=None):
    monkeypatch.setattr(train.data, "train_batches", spoilt(train.data.train_batches, numbers, seeds))


def test_an_update_that_is_not_finite_can_be_skipped(tmp_path, monkeypatch, capsys):
    """With a rate of 0, so that val gets no better: it is too small to end the run."""
    spoil(monkeypatch, {3, 4})
    config = alone(on_non_finite="skip", max_skips=2, patience=1, schedule__learning_rate=0.0)
    assert "ended_early" not in train.train_and_evaluate(config, tmp_path)
    lines = {line["step"]: line for line in metrics.read(tmp_path / "metrics.jsonl")}
    assert {number: lines[number].get("skipped") for number in (2, 4, 6)} == {2: 0.0, 4: 2.0, 6: 0.0}
    assert np.isfinite(lines[6]["loss/total"])
    said = capsys.readouterr().err
    assert "step 3: loss/ce_student is not finite (nan): its update is left out" in said
    assert "config.patience is ignored: val has 24 photos and early stopping needs 100" in said


def test_skips_are_bounded_across_a_resume(tmp_path, monkeypatch):
    spoil(monkeypatch, {3, 4, 5})
    with pytest.raises(UserError, match=r"^step 5: .* is not finite \(nan\), as in the 2 steps before, which were sk"):
        train.train_and_evaluate(alone(on_non_finite="skip", max_skips=2), tmp_path)
    # It goes on from step 3, with the skip of that step counted.
    with pytest.raises(UserError, match=r"^step 5: .*; the last good checkpoint is \S+/checkpoints/3: lower"):
        train.train_and_evaluate(alone(on_non_finite="skip", max_skips=2), tmp_path)


def test_a_roll_back_goes_on_with_other_data_and_a_resume_after_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    spoil(monkeypatch, {5}, seeds={0})
    config = alone(on_non_finite="roll_back", checkpoint_every=2)
    summary = train.train_and_evaluate(config, tmp_path / "one")
    lines = metrics.read(tmp_path / "one" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [0, 2, 3, 4, 6]
    assert [line["roll_backs"] for line in lines if "roll_backs" in line] == [0, 0, 1]

    # Killed before the checkpoint that knows of it, and after.
    def killed(self, *args, original=train._Run._roll_back):
        original(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(train._Run, "_roll_back", killed)
        with pytest.raises(Killed):
            train.train_and_evaluate(config, tmp_path / "two")
    (tmp_path / "one" / "summary.json").unlink()
    for name in ("one", "two"):
        assert train.train_and_evaluate(config, tmp_path / name)["student"]["sha256"] == summary["student"]["sha256"]
        assert [line["step"] for line in metrics.read(tmp_path / name / "metrics.jsonl")] == [0, 2, 3, 4, 6]


def test_roll_backs_are_bounded(tmp_path, monkeypatch):
    spoil(monkeypatch, {2})
    with pytest.raises(
        UserError, match=r"^step 2: .* is not finite \(nan\) \(after 2 roll-backs\); there is no checkpoint"
    ):
        train.train_and_evaluate(alone(on_non_finite="roll_back", max_roll_backs=2), tmp_path)


def test_the_student_alone_starts_where_jdnets_student_starts():
    jdnet = tiny.Recipe(tiny.config()).state
    alone = tiny.Recipe(recipes.apply_recipe(tiny.config(), "ce")).state
    assert sha256(jdnet.variables("student")) == sha256(alone.variables("student"))
    other = tiny.Recipe(tiny.config(seed=1)).state
    assert sha256(other.variables("student")) != sha256(jdnet.variables("student"))


def test_a_hand_off_becomes_a_frozen_teacher(finished, tmp_path):
    workdir, summary = finished
    config = small_run(snapshots=0)
    config.teachers = {"teacher": config_lib.teacher("resnet_tiny", init=str(workdir), width=4, drop_rate=0.1)}
    config = recipes.apply_recipe(config, "kd")
    kd = train.train_and_evaluate(config, tmp_path)
    teacher, student = (dict(entry["test"]) for entry in (kd["teachers"]["teacher"], summary["student"]))
    assert teacher.pop("top1_interval") == pytest.approx(student.pop("top1_interval"))
    assert teacher == pytest.approx(student)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student__model": "resnet_tinny"}, "config.student: unknown model 'resnet_tinny'"),
        (
            {"student__init": "runs/none"},
            "config.student.init: no weights for resnet_tiny at 'runs/none': no such file",
        ),
        ({"batch_size": 12}, "config.batch_size is 12, which 8 devices x config.grad_accum = 1 do not divide"),
        ({"batch_size": 8, "augment__mixup": 0.2}, "config.batch_size is 8: mixup and CutMix pair the photos of each"),
        (
            {"losses__mskd__options__stages": (0, 3)},
            "config.losses.mskd.options.stages: stage 3 does not exist in student (resnet_tiny), which has",
        ),
    ],
)
def test_mistakes_are_found_before_anything_is_made(tmp_path, change, message):
    with pytest.raises(UserError) as error:
        train.train_and_evaluate(small_run(**change), tmp_path / "run")
    assert str(error.value).startswith(message)
    assert not (tmp_path / "run").exists()


def test_stages_that_cannot_align_name_both_networks_and_the_image_size(tmp_path):
    config = small_run(image_size=36)
    config.teachers = {"teacher": config_lib.teacher("tf_efficientnet_lite0")}
    config.losses.mskd.options.stages = (1,)
    with pytest.raises(UserError) as error:
        train.train_and_evaluate(config, tmp_path / "run")
    assert "stage 1" in str(error.value) or "activation maps" in str(error.value)
    assert "36" in str(error.value)
