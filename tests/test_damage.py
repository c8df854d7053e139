"""Files that a run, a hand-off or an export leaves, damaged at random: nothing reads one as if it were sound."""

import dataclasses
import json
import random
import shutil
import sys
import warnings

import numpy as np
import pytest

from jdnet_jax.compare import results
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.inference.open import open_model
from jdnet_jax.process.errors import UserError
from jdnet_jax.report import page
from jdnet_jax.run import metrics
from jdnet_jax.run.checkpoint import Checkpoints
from jdnet_jax.run.workdir import Workdir
from tests import tiny_student
from tests.report import workdir
from tests.run.test_checkpoint import saved, state_at

CASES = 200

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a finished run, its checkpoints, and one exported file; small."""
    place = workdir.make(tmp_path_factory.mktemp("damage") / "run")
    shutil.rmtree(place.student)
    card = tiny_student.card(classes=workdir.CLASSES)
    variables = tiny_student.variables(card)
    tiny_student.save(place.student, classes=workdir.CLASSES, sha256=sha256(variables))
    place.finish(json.loads(place.summary.read_text()))
    saved(place.checkpoints, {20: 0.5, 40: 0.4}, keep=2).close()
    exported = place.path.parent / "student.safetensors"
    exported.write_bytes(np.arange(50.0).tobytes())
    model_card.write(model_card.card_path(exported), dataclasses.replace(card, file_format="safetensors"))
    sums.seal(exported)
    page.write(place)
    return place.path.parent


def readers(folder):
    """Whatever reads the files, by what is at the beginning of their paths; the longest counts."""
    place = Workdir(folder / "run")

    def checkpoint():
        checkpoints = Checkpoints(place.checkpoints, 2)
        best = checkpoints.best_step()
        checkpoints.restore(best, state_at(0))
        checkpoints.close()

    return {
        "run/checkpoints/": [checkpoint],
        "run/student/": [lambda: open_model(place.path)],
        "run/": [lambda: page.write(place), lambda: results.read(place), place.finished, place.dataset_config],
        "student.safetensors": [lambda: sums.exported_card(folder / "student.safetensors")],
    }


def damage(path, rng):
    """Flips a bit, cuts off, empties or deletes."""
    content = bytearray(path.read_bytes())
    how = rng.choice(["flip", "flip", "cut", "empty", "delete"])
    if how == "delete":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    return how


def told(read, capsys):
    """What a person is told: the one line of a mistake, or notes on the screen."""
    capsys.readouterr()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read()
    except UserError as error:
        return str(error)
    return capsys.readouterr().err


@pytest.mark.parametrize("sealed", [True, False], ids=["with sums", "of an earlier version"])
def test_no_damage_is_silent_and_none_is_a_traceback(whole, tmp_path, capsys, monkeypatch, sealed):
    """Without sums not all damage can be known, but none is a traceback, and a line says that nothing vouches."""
    monkeypatch.setattr(sums, "_tell_unchecked", sums._tell_unchecked.__wrapped__)
    monkeypatch.setattr("jdnet_jax.run.workdir._tell_unchecked", lambda place: print("note", place, file=sys.stderr))
    rng = random.Random(0)
    files = sorted(
        path.relative_to(whole).as_posix()
        for path in whole.rglob("*")
        if path.is_file() and path.stat().st_size and path.name != "report.html"
    )
    if not sealed:
        # What Orbax itself finds damaged leaves callbacks behind that fail later; see `test_folder`.
        files = [name for name in files if not name.endswith("SHA256SUMS") and "checkpoint" not in name]
    names = (files * CASES)[:CASES] if sealed else (files * CASES)[: CASES // 4]
    for case, name in enumerate(names):
        folder = tmp_path / str(case)
        shutil.copytree(whole, folder)
        if not sealed:
            for path in folder.rglob("*SHA256SUMS"):
                if "checkpoints" not in path.parts:
                    path.unlink()
        how = damage(folder / name, rng)
        if not sealed and (name, how) == ("run/summary.json", "delete"):
            continue  # that is a run that goes on
        by_prefix = readers(folder)
        prefix = max((prefix for prefix in by_prefix if name.startswith(prefix)), key=len)
        for read in by_prefix[prefix]:
            text = told(read, capsys)
            assert text, (case, name, how)
            assert len(text.splitlines()) == 1 or not sealed, (case, name, how, text)
        shutil.rmtree(folder)


def test_lines_of_a_run_that_goes_on(whole, tmp_path, capsys):
    """Its metrics are in no list yet: the checkpoint knows them."""
    rng = random.Random(0)
    sound = whole / "run" / "metrics.jsonl"
    expected = metrics.digest(sound)
    for case in range(40):
        path = shutil.copy(sound, tmp_path / f"{case}.jsonl")
        how = damage(path, rng)
        assert told(lambda path=path: metrics.rewind(path, 40, expected), capsys), (case, how)
