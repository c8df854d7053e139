"""Models of the tiny student as files, the runtimes of the browser, and the page that is served."""

import dataclasses
import shutil

import pytest

from jdnet_jax.demo import model_file, runtime, site
from jdnet_jax.export import to_tflite
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.process.errors import UserError
from tests.demo.served import Page, serving
from tests.export.conftest import Student


def write_tflite(folder, outputs):
    """A TFLite file of a student that was never trained, with its card."""
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    from jdnet_jax.export import tflite_file

    student = Student(image_size=32, shorter_side=36)
    accuracy = {"test": {"top1": 0.5, "count": 1234}}
    card = dataclasses.replace(student.card_of(file_format="tflite", dtype="float32"), accuracy=accuracy)
    path = folder / "tiny.tflite"
    converted = to_tflite.convert(student.function, "none", None, outputs)
    path.write_bytes(tflite_file.finish(converted, card, "Somebody", "CC0", outputs))
    model_card.write(model_card.card_path(path), card)
    sums.seal(path)
    return path


@pytest.fixture(scope="session")
def tflite(tmp_path_factory):
    """A TFLite file with an activation map."""
    return write_tflite(tmp_path_factory.mktemp("model"), ["probabilities", "activation"])


@pytest.fixture(scope="session")
def runtimes():
    """What runs models in a browser; skips where npm cannot fetch it."""
    if not shutil.which("npm"):
        pytest.skip("no npm, which downloads the browser runtime")
    try:
        return runtime.find_or_build()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def files(tflite, runtimes):
    """The site of the TFLite file."""
    return site.create(model_file.load(tflite), runtimes)


@pytest.fixture(scope="session")
def page(browser):
    return Page(browser)


@pytest.fixture(scope="session")
def url(files):
    """Where the page of the TFLite file is."""
    with serving(files) as server_:
        yield server_.url
