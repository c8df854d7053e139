"""The page of `jdnet_jax.demo` on a server, and in a browser as a person uses it."""

import contextlib
import threading
import time

from jdnet_jax.demo import server
from tests import browser as browser_tests


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
