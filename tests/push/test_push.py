"""From a hand-off to the hub and back, each command in a process of its own, as `huggingface_hub` reads its environment
when it is imported."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from tests import tiny_student
from tests.commands import ROOT, command, last_line
from tests.push import fake_hub

pytest.importorskip("huggingface_hub", reason="the extra [hub] is absent")

ACCURACY = {"top1": 0.75, "top5": 1.0, "macro_f1": 0.7, "count": 40}


@pytest.fixture(scope="module")
def hub():
    with fake_hub.serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def environment(hub, tmp_path_factory):
    home = tmp_path_factory.mktemp("hub")
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",  # another protocol, with a server of its own
        "HF_TOKEN": "",
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    trained = {"with": "jdnet_jax 0.1.0", "recipe": "jdnet", "dataset": "meals/1.0.0", "protocol": "halves", "seed": 3}
    return tiny_student.save(
        tmp_path_factory.mktemp("run") / "student", trained=trained, accuracy={"val": ACCURACY, "test": ACCURACY}
    )


@pytest.fixture(scope="module")
def pushed(hub, environment, source):
    token = {"HF_TOKEN": fake_hub.TOKEN}
    return command("push", "ann/my-food", f"--from={source}", "--license=mit", **environment | token)


def loaded(environment, *sources):
    """What a process prints that loads students and predicts: a line for each."""
    code = (
        "import sys, numpy as np, jdnet_jax\nfrom jdnet_jax.process.errors import UserError\n"
        "photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)\n"
        "for source in sys.argv[1:]:\n"
        "    try: student = jdnet_jax.load(source)\n"
        "    except UserError as error: print('error:', error)\n"
        "    else: print(student.classes[:2], student.predict(photo)[0].probabilities.tolist())"
    )
    return python(code, environment, *sources).stdout.splitlines()


def python(code, environment, *args):
    """What a process of Python printed, which has ended well."""
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.slow
def test_what_was_sent(hub, pushed):
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.splitlines()[-1] == 'jdnet_jax.load("hf-hub:ann/my-food") opens it'
    files = hub.files("ann/my-food")
    tflite = ["student.tflite", "student.tflite.SHA256SUMS", "student.tflite.model.json"]
    assert sorted(files) == ["README.md", "SHA256SUMS", "model.json", "model.safetensors", *tflite]
    digests = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert digests == {name: hashlib.sha256(files[name]).hexdigest() for name in ("model.json", "model.safetensors")}
    assert json.loads(files["model.json"])["format"] == "safetensors"
    head, page = files["README.md"].decode().removeprefix("---\n").split("\n---\n")
    metadata = yaml.safe_load(head)
    assert (metadata["license"], metadata["library_name"]) == ("mit", "jdnet_jax")
    assert metadata["pipeline_tag"] == "image-classification"
    (results,) = [entry["results"] for entry in metadata["model-index"]]
    assert {(r["dataset"]["split"], m["type"], m["value"]) for r in results for m in r["metrics"]} == {
        (split, kind, value) for split in ("val", "test") for kind, value in (("accuracy", 0.75), ("f1", 0.7))
    }
    for words in (
        'jdnet_jax.load("hf-hub:ann/my-food")',
        "| test | 75 % of 40 (60 to 86) | 100 % (91 to 100) | 0.700 |",
        "meals/1.0.0",
        "halves",
        "temperature 1.000",
        "What it was not tested on",
        "Its initial weights are not stated.",
        "`mit`",
        "dumpling",
    ):
        assert words in page


@pytest.mark.slow
def test_it_comes_back_as_it_was_or_not_at_all(hub, pushed, environment, source):
    files = hub.files("ann/my-food")
    weights, card = files["model.safetensors"], files["model.json"]
    hub.repositories |= {
        "ann/spoilt": [{**files, "model.safetensors": weights[:-1] + bytes([weights[-1] ^ 1])}],
        "ann/renamed": [{**files, "model.json": card.replace(b"apple", b"bread", 1)}],
        "ann/weights": [{"model.safetensors": b"weights"}],
    }
    names = ("my-food", "spoilt", "renamed", "weights", "absent")
    here, there, *refused = loaded(environment, source, *(f"hf-hub:ann/{name}" for name in names), "hf-hub:ann")
    assert here.startswith("('apple', 'bread')")
    assert there == here
    for line, message in zip(
        refused,
        (
            "has changed since it was written (model.safetensors has changed)",
            "has changed since it was written (model.json has changed)",
            "has no model.safetensors with a model.json",
            "has no such repository, or a private one",
            "is not a repository of the hub: write hf-hub:OWNER/NAME",
        ),
        strict=True,
    ):
        assert message in line
    assert "tflite" not in str([path for _, path in hub.asked if "/resolve/" in path])  # only what is needed
    # From the cache where the hub is not reached.
    assert loaded({**environment, "HF_HUB_OFFLINE": "1"}, "hf-hub:ann/my-food") == [here]


@pytest.mark.slow
def test_what_takes_a_student_takes_its_name_on_the_hub(pushed, environment, source, tmp_path):
    name = "hf-hub:ann/my-food"
    file = tmp_path / "student.stablehlo"
    result = command("export", f"--from={name}", "--format=stablehlo", f"--output={file}", **environment)
    assert result.returncode == 0, result.stderr
    assert "the same class as the student on 100 % of " in result.stdout
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(photo)
    predicted = [
        json.loads(command("predict", f"--model={model}", str(photo), "--json", **environment).stdout)["top"]
        for model in (source, name, file)
    ]
    assert predicted[0] == predicted[1]
    assert predicted[2][0]["class"] == predicted[0][0]["class"]


@pytest.mark.slow
def test_page_and_benchmark_of_a_student_on_the_hub(pushed, environment):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    code = (
        "from pathlib import Path\nfrom jdnet_jax.benchmark import student\nfrom jdnet_jax.demo import model_file\n"
        "name = Path('hf-hub:ann/my-food')\n"
        "file = model_file.load(name)\nprint(file.runtime, file.card.classes[:2])\n"
        "student.measure_one = lambda path, name, *_: {'model': name, 'there': path.exists()}\n"
        "student.exporter.export = lambda request: request.output.write_text(str(request.source.exists()))\n"
        "for row in student.measure([name], [1], 1.0)['models']: print(*row.values())"
    )
    result = python(code, environment)
    page, downloaded, *exported = result.stdout.splitlines()
    assert page == "litert ('apple', 'bread')"
    assert downloaded == "hf-hub:ann/my-food True"
    assert "tflite int8 True" in exported
    assert "--from=hf-hub:ann/my-food --outputs=probabilities+activation --output=student.tflite" in result.stderr


@pytest.mark.slow
def test_a_second_push_takes_away_what_the_first_had(hub, pushed, environment, source):
    hub.repositories["ann/again"] = [{**hub.files("ann/my-food"), "student.onnx": b"of before", "notes.txt": b"mine"}]
    token = {"HF_TOKEN": fake_hub.TOKEN}
    result = command("push", "ann/again", f"--from={source}", "--formats=", **environment | token)
    assert result.returncode == 0, result.stderr
    expected = ["README.md", "SHA256SUMS", "model.json", "model.safetensors", "notes.txt"]
    assert sorted(hub.files("ann/again")) == expected
    assert "licen" in hub.files("ann/again")["README.md"].decode()


@pytest.mark.slow
def test_only_looking_sends_nothing(hub, environment, source, tmp_path):
    before = len(hub.asked)
    folder = tmp_path / "look"
    result = command("push", "ann/look", f"--from={source}", f"--output={folder}", "--formats=", **environment)
    assert result.returncode == 0, result.stderr
    assert len(hub.asked) == before
    assert "ann/look" in (folder / "README.md").read_text()
    (line,) = loaded(environment, folder)
    assert line.startswith("('apple', 'bread')")


@pytest.mark.parametrize(
    ("args", "token", "message"),
    [
        ((), "a", "name the repository: python -m jdnet_jax.push OWNER/NAME"),
        (("food",), "a", "name the repository: "),
        (("ann/food",), "a", "--from is missing"),
        (("ann/food", "--from=a"), "", "HF_TOKEN is not set"),
        (("ann/food", "--from=a", "--formats=gif"), "a", "--format=gif is unknown"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(hub, environment, args, token, message):
    before = len(hub.asked)
    result = command("push", *args, **environment | {"HF_TOKEN": token})
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: {message}")
    assert len(hub.asked) == before


@pytest.mark.slow
def test_a_token_that_may_not_write_is_one_line(environment, source):
    other = {"HF_TOKEN": "hf_other"}
    result = command("push", "ann/other", f"--from={source}", "--formats=", **environment | other)
    assert result.returncode == 2
    assert "does not let HF_TOKEN do this (status 403)" in last_line(result)
    assert "hf_other" not in result.stderr
