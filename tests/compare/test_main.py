import json
import signal
import time

import pytest

from jdnet_jax.compare import plan
from jdnet_jax.compare.__main__ import _overrides
from jdnet_jax.run.workdir import Workdir
from tests.commands import SMALL, command, interrupted, last_line, started
from tests.compare import runs

CONFIG = "--config=configs/demo.py"


def test_values_of_the_config_are_told_apart_from_other_flags():
    given = ["--config=a.py", "--config.steps", "3", "--config.x=1", "--seeds", "2", "--noconfig.y", "--jobs=2"]
    assert _overrides(given) == ["--config.steps=3", "--config.x=1", "--noconfig.y"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CONFIG,), "--recipes is missing: name the arguments of the config to compare, such as --recipes=ce,jdnet"),
        ((CONFIG, "--recipes=ce"), "--workdir is missing: name a folder for the comparison"),
        (
            (CONFIG, "--recipes=kd,jdnet", "--workdir=x"),
            "--baseline=ce is not compared: name one of kd, jdnet, or add it",
        ),
        ((f"{CONFIG}:ce", "--recipes=ce", "--workdir=x"), "--config=configs/demo.py:ce: leave out the recipe, which"),
        (
            (CONFIG, "--recipes=ce", "--config.seed=7", "--workdir=x"),
            "--config.seed: a comparison has the seeds 0 to --seeds less 1: leave it out",
        ),
        (
            ("--workdirs=a", CONFIG),
            "--workdirs compares finished runs: leave out --config and --recipes, or train with",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    result = command("compare", *arguments)
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: {message}")


def test_runs_that_exist_are_compared_or_refused(tmp_path):
    places = [runs.make(tmp_path, "ce", 0, [1, 0]), runs.make(tmp_path, "jdnet", 0, [1, 1], steps=50)]
    names = f"--workdirs={','.join(str(place.path) for place in places)}"
    refused = command("compare", names)
    assert refused.returncode == 2
    assert "jdnet-0 differs from" in last_line(refused)
    assert "in config.steps" in last_line(refused)
    allowed = command("compare", names, "--allow_different", f"--workdir={tmp_path / 'table'}")
    assert allowed.returncode == 0
    assert "| jdnet | 1 | 100.00 |" in allowed.stdout
    assert (tmp_path / "table" / "comparison.md").read_text() == allowed.stdout
    assert json.loads((tmp_path / "table" / "comparison.json").read_text())["recipes"][1]["top1"]["mean"] == 1.0
    assert (tmp_path / "table" / "comparison.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_comparison_that_is_ended_before_its_first_run_is_goes_on_later(tmp_path, number):
    arguments = (CONFIG, "--recipes=ce,jdnet", "--seeds=1", f"--workdir={tmp_path}")
    said = interrupted("ce-0: started", number, "jdnet_jax.compare", *arguments)
    assert f"{number.name}: ending 1 runs" in said
    assert "- missing: ce-0 (" in said
    assert "- missing: jdnet-0 (not begun)" in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "comparison.json").read_text())["recipes"][0]["seeds"] == []


@pytest.mark.slow
def test_a_comparison_that_is_killed_takes_its_training_with_it(tmp_path, small_data):
    """By SIGKILL, at which nobody can tell it: it saves where it is, and the folder is free."""
    flags = [flag for flag in SMALL[1:] if "teacher" not in flag and "steps" not in flag]
    arguments = [CONFIG, *flags, "--config.steps=100000", "--recipes=ce", "--seeds=1", f"--workdir={tmp_path}"]
    place = Workdir(tmp_path / "ce-0")

    def wait_for(condition):
        for _ in range(3000):
            if condition():
                return True
            time.sleep(0.1)
        return False

    def said():
        log = tmp_path / "logs" / "ce-0.log"
        return log.read_text() if log.exists() else ""

    with started("jdnet_jax.compare", *arguments, TFDS_DATA_DIR=small_data) as process:
        assert wait_for(lambda: "first step done" in said() or process.poll() is not None)
        assert place.is_held(), said()
        process.kill()
        process.wait()
    assert wait_for(lambda: not place.is_held()), said()
    assert "interrupted: step " in said()
    assert any(place.checkpoints.iterdir())


# ml_collections loads config files in a way that Python has deprecated.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_arguments_that_are_no_recipes_are_compared_by_their_names(tmp_path, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    config = "configs/rvernet_demo.py"
    for run in plan.make(config, ("photo", "roi+context"), 1, [], tmp_path):
        runs.finish(run.place, run.config, [1, 1] if run.recipe == "photo" else [0, 1])
    asked = (
        f"--config={config}",
        "--recipes=photo,roi+context",
        "--seeds=1",
        f"--workdir={tmp_path}",
        "--baseline=photo",
    )
    refused = command("compare", *asked)
    assert refused.returncode == 2
    assert "roi+context-0 differs from photo-0 in config.dataset.view" in last_line(refused)
    result = command("compare", *asked, "--allow_different")
    assert result.returncode == 0
    assert "| photo | 1 | 100.00 |" in result.stdout
    assert "| roi+context | 1 | 50.00 | 0.5000 | -50.00 |" in result.stdout
