"""Models of the tiny student as files, the runtimes of the browser, and pages that are served."""

import contextlib
import dataclasses
import shutil
import threading
import time

import pytest

from jdnet_jax.demo import model_file, runtime, server, site
from jdnet_jax.errors import UserError
from jdnet_jax.export import to_tflite
from jdnet_jax.inference import model_card
from tests import browser as browser_tests
from tests.export.conftest import Student


@contextlib.contextmanager
def serving(files):
    """A server of these files, in a thread."""
    server_ = server.Server(files, "127.0.0.1", 0)
    thread = threading.Thread(target=server_.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server_
    finally:
        server_.shutdown()
        server_.server_close()
        thread.join()


@pytest.fixture(scope="session")
def tflite(tmp_path_factory):
    """A TFLite file of a student that was never trained, with its card."""
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    from jdnet_jax.export import tflite_file

    student = Student(image_size=32, shorter_side=36)
    accuracy = {"test": {"top1": 0.5, "count": 1234}}
    card = dataclasses.replace(student.card_of(file_format="tflite", dtype="float32"), accuracy=accuracy)
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tflite_file.finish(to_tflite.convert(student.function, "none", None), card, "Somebody", "CC0"))
    model_card.write(model_card.card_path(path), card)
    return path


@pytest.fixture(scope="session")
def runtimes():
    """What runs models in a browser; skips where npm cannot fetch it."""
    if not shutil.which("npm"):
        pytest.skip("no npm, which fetches what runs models in a browser")
    try:
        return runtime.find_or_build()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def files(tflite, runtimes):
    """The site of the TFLite file."""
    return site.create(model_file.load(tflite), runtimes)


class Page:
    """The page in a browser, as a person uses it."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, url):
        """Loads it and waits until the network can be used."""
        browser_tests.console_errors(self.browser)  # of an earlier page
        self.browser.get(url)
        self.wait("return document.body.dataset.ready || !document.getElementById('problem').hidden")
        assert self.text("problem") == ""
        return self

    def give(self, photo):
        """Gives it a file and waits for what it says: the answer, or None where it shows a problem."""
        self.run("delete document.body.dataset.answer; document.getElementById('problem').hidden = true")
        self.find("file").send_keys(str(photo))
        return self.answer()

    def answer(self):
        """The answer to what it was given last; None where there is a problem."""
        self.wait("return document.body.dataset.answer || !document.getElementById('problem').hidden")
        return self.run("return JSON.parse(document.body.dataset.answer ?? 'null')")

    def find(self, name):
        return self.browser.find_element("id", name)

    def text(self, name):
        return self.find(name).text

    def run(self, script, *args):
        return self.browser.execute_script(script, *args)

    def wait(self, script, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"in vain: {script}; {browser_tests.console_errors(self.browser)}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def page(browser):
    return Page(browser)


@pytest.fixture(scope="session")
def url(files):
    """Where the page of the TFLite file is."""
    with serving(files) as server_:
        yield server_.url
