"""What the web page costs and how it agrees with `predict`: `python -m tests.benchmarks.demo_in_browser MODEL PHOTOS`.

MODEL is an exported file, PHOTOS a folder of JPEG files, of which 50 are taken evenly. A fresh headless Chromium visits
the page for the first time; bytes are those that the server sends.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from jdnet_jax.process import command_line

_PHOTOS = 50


def main(model, folder):
    command_line.set_up_libraries()

    from jdnet_jax.demo import model_file, runtime, site
    from jdnet_jax.inference import open as opening
    from jdnet_jax.inference import photos
    from tests import browser
    from tests.demo.served import Page, serving

    found = sorted(Path(folder).rglob("*.jpg"))
    chosen = found[:: max(1, len(found) // _PHOTOS)][:_PHOTOS]
    runner = opening.open_model(model)
    of_predict = runner.run(np.stack([photo.view for photo in photos.read(chosen, runner.card)])).probabilities
    with (
        tempfile.TemporaryDirectory() as profile,
        browser.opened(profile) as driver,
        serving(site.create(model_file.load(Path(model)), runtime.find_or_build())) as server,
    ):
        sent = _count_bytes(server)
        page = Page(driver)
        begin = time.perf_counter()
        page.open(server.url).give(chosen[0])
        first = time.perf_counter() - begin
        page.wait("return document.getElementById('offline').textContent")
        at_first_visit = sum(sent)
        answers = [page.give(path) for path in chosen]
    probabilities = np.array([answer["probabilities"] for answer in answers])
    times = np.array([list(answer["milliseconds"].values()) for answer in answers[1:]])
    result = {
        "bytes_at_first_visit": at_first_visit,
        "seconds_to_first_answer": round(first, 2),
        **{
            f"milliseconds_{name}": dict(zip(("median", "p90"), np.percentile(column, (50, 90)).round(1), strict=True))
            for name, column in zip(answers[0]["milliseconds"], times.T, strict=True)
        },
        "as_predict": _agreement(probabilities, of_predict),
    }
    print(json.dumps(result, indent=2))


def _count_bytes(server):
    """A list to which the server adds the length of each content that it sends from now on."""
    sent = []

    class Counting(server.RequestHandlerClass):
        def send_header(self, name, value):
            if name == "Content-Length":
                sent.append(int(value))
            super().send_header(name, value)

    server.RequestHandlerClass = Counting
    return sent


def _agreement(found, expected):
    return {
        "same_top1": int(np.sum(found.argmax(axis=1) == expected.argmax(axis=1))),
        "of": len(found),
        "largest_difference": float(np.abs(found - expected).max()),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
