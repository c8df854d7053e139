"""The command as a person runs it: each mistake is one line on standard error and exit status 2."""

import re
import subprocess
import sys

import pytest

from jdnet_jax.config import recipes
from tests.commands import ALONE, ROOT, SMALL, command, last_line, started


def jdnet(*args, **env):
    return command("main", *args, **env)


def test_help_says_what_signals_do_and_with_which_status():
    result = jdnet("--help")
    assert "exits with status 75" in result.stdout


def test_help_lists_the_recipes():
    result = jdnet("--help")
    assert recipes.text() in result.stdout


@pytest.mark.parametrize(
    ("args", "messages"),
    [
        ([], ["error: --config is missing: name a config"]),
        (["configs/demo.py"], ["error: unexpected argument 'configs/demo.py'"]),
        (["--config=configs/nowhere.py"], ["error: --config=configs/nowhere.py: there is no such file"]),
        (
            ["--config=configs/demo.py", "--config.bacth_size=3"],
            ['error: unknown config key config.bacth_size: did you mean "batch_size"'],
        ),
        (
            ["--config=configs/demo.py", "--config.dataset.options.sede=3"],
            ['error: unknown config key config.dataset.options.sede: did you mean "seed"'],
        ),
        (
            ["--config=configs/demo.py", "--config.teachers.teacher.before.epochs=3"],
            [
                "error: config.teachers.teacher.before.epochs: that section is empty, or lacks this key: set all of",
                "as --config.teachers.teacher.before=\"{'KEY': VALUE, ...}\"",
            ],
        ),
        (
            ["--config=configs/demo.py:ce", "--config.teachers.teacher.model=resnet50"],
            ["error: unknown config key config.teachers.teacher.model"],
        ),
        (
            ["--config=configs/demo.py", "--config.dataset.options.counts=(1000000000000,1,1)"],
            ["error: config.dataset.options.counts is 1000000000000: it must be a whole number from 1 to 10000000"],
        ),
        (
            ["--config=configs/demo.py", "--config.student.options.width=1000000"],
            ["error: config.student.options.width is 1000000: it must be a whole number from 1 to 4096"],
        ),
        (["--config=configs/demo.py", "--config.batch_size=many"], ["error: ", "batch_size", "many"]),
        (["--config=configs/demo.py:jdnt"], ["error: unknown recipe 'jdnt'; did you mean 'jdnet'?"]),
        (["--confg=configs/demo.py"], ["error: Unknown command line flag 'confg'"]),
    ],
)
def test_flags_that_are_wrong(args, messages, tmp_path):
    result = jdnet(*args, f"--workdir={tmp_path / 'run'}") if args else jdnet()
    assert result.returncode == 2
    assert last_line(result).startswith(messages[0])
    assert all(message in last_line(result) for message in messages)
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_folder_that_takes_no_log_is_refused(tmp_path):
    code = (
        "import os, sys; os.access = lambda path, mode: False  # as for a user who may not write there\n"
        "from jdnet_jax import main; main.run(['main', *sys.argv[1:]])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "--config=configs/demo.py", f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert re.search(r"--workdir=.* cannot be made or written to \(.*\): choose another$", last_line(result))


def test_an_address_as_the_workdir_is_refused():
    result = jdnet("--config=configs/demo.py", "--workdir=gs://bucket/run")
    assert result.returncode == 2
    assert last_line(result).startswith("error: --workdir=gs://bucket/run is an address and must be a folder")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--config=configs/demo.py", "--config.batch_size=0"],
            "error: config.batch_size is 0: it must be a whole number from 1 to 131072",
        ),
        (
            ["--config=configs/demo.py", "--config.student.model=resnet_tinny"],
            "error: config.student: unknown model 'resnet_tinny'",
        ),
        (
            ["--config=configs/grocery.py", "--config.dataset.data_dir=/nowhere"],
            "error: dataset.data_dir='/nowhere' is not a folder; name the Grocery Store Dataset's folder",
        ),
        (
            ["--config=configs/food101.py", "--config.dataset.data_dir=/nowhere"],
            "error: dataset.data_dir='/nowhere' is not a folder: name TFDS's data directory",
        ),
        (
            ["--config=configs/food101.py:kd", "--config.teachers.teacher.init=runs/typo"],
            "error: config.teachers.teacher.init: no weights for resnet50 at 'runs/typo': no such file",
        ),
    ],
)
def test_values_that_are_wrong(args, message, tmp_path):
    result = jdnet(*args, f"--workdir={tmp_path / 'run'}", TFDS_DATA_DIR=str(tmp_path))
    assert result.returncode == 2
    assert last_line(result).startswith(message)
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_run_prints_progress_results_and_what_lies_where(tmp_path, small_data):
    result = jdnet(*SMALL, f"--workdir={tmp_path}", fresh=True, TFDS_DATA_DIR=small_data)
    assert result.returncode == 0, result.stderr
    assert "step 2/2 (100%)" in result.stderr
    # 299 w^2 + 119 w + 12 parameters with 12 classes: 5,272 of width 4 and 20,100 of width 8.
    assert "\nteacher: resnet_tiny, 0.02 M parameters, 3.8x the student, from random\n" in result.stderr
    for words in ("test top-1 on", "student", "teacher", "summary.json", "next:"):
        assert words in result.stdout


@pytest.mark.slow
def test_a_full_disk_fails_the_save_and_loses_nothing(tmp_path, small_data):
    """The first checkpoint, of 78,460 parameters with their moments, is larger than `tests.full_disk` allows."""
    args = [*(flag for flag in ALONE if "width" not in flag), f"--workdir={tmp_path}"]
    with started("tests.full_disk", *args, TFDS_DATA_DIR=small_data) as process:
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 2, errors
    for words in ("error: ", "could not", "File too large", "checkpoint"):
        assert words in errors.strip().splitlines()[-1], errors[-3000:]
    assert "Traceback" not in errors
    assert "Traceback" in next((tmp_path / "logs").glob("main.*.INFO.*")).read_text()
    assert not (tmp_path / "summary.json").exists()
    assert [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()] == []
    # With room again the same command goes on.
    again = jdnet(*args, TFDS_DATA_DIR=small_data)
    assert again.returncode == 0, again.stderr


def test_what_to_try_next_fits_what_was_trained():
    runs = [
        ("x.py", "jdnet", "my photos"),
        ("x.py:stage=teacher,model=a", "ce"),
        ("x.py", "meal", "photos"),
        ("x.py:roi", "ce"),
    ]
    code = f"from jdnet_jax import main\nfor of in {runs}: print(main._next_steps('runs/my food', *of), end='%')"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    joint, teacher, student, alone, _ = shown.split("%")
    export = "python -m jdnet_jax.export --from='runs/my food' --format=tflite --output=student.tflite"
    for text in (joint, student, alone):  # the phone and the page come first
        assert [line.split(":")[0].strip() for line in text.splitlines()[:3]] == [
            "next",
            "a file for a phone",
            "a page with the camera",
        ]
        assert text.splitlines()[1].endswith(export)
    assert joint.rstrip().endswith("jdnet_jax.main --config=x.py:ce --config.dataset.data_dir='my photos'")
    assert "python -m jdnet_jax.main --config=x.py:stage=teacher,model=NAME" in teacher
    assert teacher.endswith("python -m jdnet_jax.main --config=x.py")
    assert "python -m jdnet_jax.main --config=x.py:meal_none --config.dataset.data_dir=photos" in student
    assert not any("without its teacher" in text for text in (teacher, student, alone))
