import json
import shlex

import pytest

from jdnet_jax.learning import networks
from jdnet_jax.run import outcome
from tests import tiny_recipe as tiny

SCORES = {"top1": 0.75, "top5": 0.5, "macro_f1": 0.25, "count": 40}
AWAY = {"count": 40, "turned_away": 4, "right_turned_away": 1, "top1": 29 / 36}
ERRORS = {"ece_before": 0.125, "ece_after": 0.0625}
SUMMARY = {
    **{"recipe": "jdnet", "dataset": "photos/1.0.0", "protocol": "halves", "step": 7, "seed": 3},
    "student": {
        **{"model": "resnet_tiny", "params": 2_500_000, "sha256": "ab" * 32, "val": SCORES, "test": SCORES},
        "calibration": {"temperature": 1.5, "val": ERRORS, "test": ERRORS},
        "not_sure": {"below": 0.4, "share": 0.05, "fitted_on": 40, "val": AWAY, "test": AWAY},
    },
    "teachers": {"teacher": {"model": "resnet50", "params": 25_000_000, "test": {**SCORES, "top1": 0.8}}},
}


def test_the_card_of_the_student():
    config = tiny.config(image_size=28, crop_fraction=0.875, resolutions={"student": 14})
    network = networks.build(config, 3)["student"]
    card = outcome.card(config, network, ("a", "b", "c"), SUMMARY)
    assert (card.model, card.parameters, card.classes) == (network.model, 2_500_000, ("a", "b", "c"))
    assert (card.image_size, card.shorter_side, card.temperature) == (14, 16, 1.5)
    assert card.not_sure_below == 0.4
    assert {key: card.trained[key] for key in ("recipe", "step", "seed")} == {"recipe": "jdnet", "step": 7, "seed": 3}
    assert (card.accuracy["test"], card.sha256) == (SCORES, "ab" * 32)


def test_the_words_at_the_end_by_hand(tmp_path):
    lines = outcome.conclusion(SUMMARY, tmp_path).splitlines()
    assert lines[1:4] == [
        "test top-1 on 40 images (jdnet, photos/1.0.0); in brackets the 95 % interval:",
        "  student    75 % of 40 (60 to 86)   top-5 50 % (35 to 65)   macro-F1 0.250   2.50 M parameters (resnet_tiny)",
        "  teacher    80 % of 40 (65 to 90)   top-5 50 % (35 to 65)   macro-F1 0.250   25.00 M parameters (resnet50)",
    ]
    assert lines[4].strip() == (
        "the student's probabilities at temperature 1.50, fitted on 40 photos of val: calibration error 0.062 on test "
        "(0.125 at 1)"
    )
    assert lines[5] == (
        '  none of these: it is "not sure" below a probability of 40 %, which is so for 5 % of 40 photos of val; on '
        "test it rejects 10 % of 40 (4 to 23), 1 of which were right; of the others 80.6 % of 36 "
        "(65 to 90) are right"
    )
    assert lines[6:8] == [
        "  40 photos are few for a test: test with photos from another day than those of the training (evaluate "
        "--photos=FOLDER)",
        f"in {tmp_path}:",
    ]
    few = {**SUMMARY, "dataset": "image_folder", "ended_early": {"step": 7, "why": "ended early, after step 7 of 9"}}
    lines = outcome.conclusion(few, tmp_path).splitlines()
    assert lines[4] == "  ended early, after step 7 of 9"
    assert lines[7].startswith("  40 photos are few for a test: train with --folds=5, which tests on each photo once, ")


def test_the_command_for_the_curves_works_as_printed(tmp_path):
    text = outcome.conclusion(SUMMARY, tmp_path / "my food")
    (command,) = (line.partition("the same as curves: ")[2] for line in text.splitlines() if "--logdir" in line)
    assert shlex.split(command) == ["tensorboard", "--logdir", str(tmp_path / "my food")]


def test_many_photos_need_no_interval(tmp_path):
    many = {**SCORES, "top1": 0.8185, "count": 2485}
    summary = {**SUMMARY, "student": {**SUMMARY["student"], "test": many}, "teachers": {}}
    lines = outcome.conclusion(summary, tmp_path).splitlines()
    assert lines[1] == "test top-1 on 2,485 images (jdnet, photos/1.0.0):"
    assert lines[2].startswith("  student    81.85 % of 2,485   top-5 50.00 %   macro-F1 0.250")


def test_a_temperature_of_1_is_not_compared_with_1(tmp_path):
    student = {**SUMMARY["student"], "calibration": {"temperature": 1.0, "val": ERRORS, "test": ERRORS}}
    (line,) = (
        line
        for line in outcome.conclusion({**SUMMARY, "student": student}, tmp_path).splitlines()
        if "at temperature 1.00" in line
    )
    assert line.endswith("calibration error 0.062 on test")


def test_the_ensemble_costs_what_its_teachers_cost_together(tmp_path):
    entries = {"a": {"params": 2_000_000, "multiply_adds": 5}, "b": {"params": 1_000_000, "multiply_adds": 7}}
    found = outcome.ensemble(entries, {"val": SCORES, "test": SCORES})
    costs = {"params": 3_000_000, "multiply_adds": 12}
    assert found == {"teachers": ["a", "b"], **costs, "val": SCORES, "test": SCORES}
    lines = outcome.conclusion({**SUMMARY, "ensemble": found}, tmp_path).splitlines()
    (line,) = (
        line for line in lines if line.startswith("  ensemble   75 % of 40 (60 to 86)   top-5 50 % (35 to 65)   ")
    )
    assert line.endswith("   3.00 M parameters (the mean of a + b)")


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (0.5, ["(60 to 86), and a linear classifier had 50 % of 40 (35 to 65) before training"]),
        (0.75, [": it was no worse, and the recipe probe gives it without training"]),
        (None, []),
    ],
)
def test_the_student_beside_the_probe(tmp_path, before, told):
    lines = [{"step": 0, "val/student/top1": 0.1}, {"step": 9, "val/student/top1": 0.75}]
    if before is not None:
        lines[0]["val/probe/top1"] = before
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    said = [line for line in outcome.conclusion(SUMMARY, tmp_path).splitlines() if "linear classifier" in line]
    assert len(said) == len(told)
    assert all(line.endswith(end) for line, end in zip(said, told, strict=True))
