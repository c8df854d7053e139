"""The page in a real browser, with a student that was never trained."""

import contextlib
import dataclasses
import http.server
import os
import threading
from functools import partial

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.demo import model_file, site, static_folder
from jdnet_jax.export import to_onnx
from jdnet_jax.handoff import model_card
from jdnet_jax.inference import open as opening
from jdnet_jax.inference import photos
from tests import browser as browser_tests
from tests.demo.conftest import write_tflite
from tests.demo.served import serving

pytestmark = pytest.mark.slow


def colorful(path, size, seed=0, **options):
    """A picture in which every pixel has its own colour."""
    rng = np.random.default_rng(seed)
    width, height = size
    smooth = np.linspace(0, 200, width)[None, :, None] * np.array([1.0, 0.5, 0.2]) + rng.uniform(
        0, 55, (height, width, 3)
    )
    Image.fromarray(smooth.astype(np.uint8)).save(path, **options)
    return path


@pytest.fixture(scope="module")
def grocery(grocery_folder):
    """Fifty photos, of all parts of the set."""
    found = sorted((grocery_folder / "dataset" / "test").rglob("*.jpg"))
    return found[:: len(found) // 50][:50]


def view_in_browser(page, path, card):
    """What the network sees of a file there."""
    page.run("document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'probe'}))")
    page.find("probe").send_keys(str(path))
    found = page.browser.execute_async_script(
        "const [size, shorterSide, done] = arguments; const file = document.getElementById('probe').files[0];"
        "import('./photo.js').then(async (photo) => { const bitmap = await photo.decode(file);"
        "done(Array.from(photo.view(bitmap, {image_size: size, shorter_side: shorterSide}))); });",
        card.image_size,
        card.shorter_side,
    )
    page.run("document.getElementById('probe').remove()")
    return np.array(found, np.uint8).reshape(card.image_size, card.image_size, 3)


@pytest.mark.parametrize("size", [(36, 36), (300, 200), (201, 517), (1200, 37), (20, 25)])
def test_the_network_sees_the_pixels_that_predict_shows_it(page, url, tflite, tmp_path, size):
    card = model_card.read(model_card.card_path(tflite))
    path = colorful(tmp_path / "a.png", size)
    page.open(url)
    [expected] = photos.read([path], card)
    difference = view_in_browser(page, path, card).astype(int) - expected.view
    assert np.abs(difference).max() <= 1  # where a value lies halfway
    assert np.mean(difference != 0) < 0.01


def test_it_says_where_the_network_is_not_sure(page, tflite, runtimes, tmp_path):
    model = model_file.load(tflite)
    card = dataclasses.replace(model.card, not_sure_below=1.0)
    with serving(site.create(dataclasses.replace(model, card=card), runtimes)) as server:
        page.open(server.url)
        assert page.give(colorful(tmp_path / "a.png", (40, 40)))
        assert page.text("answer") == "Not sure"
        assert page.text("doubt").startswith("This may be none of what the network knows.")
        said = page.run("return document.getElementById('status').textContent")
        assert said.startswith("Not sure: perhaps ")


def test_orientation_and_transparency_are_those_of_predict(page, url, tflite, tmp_path):
    card = model_card.read(model_card.card_path(tflite))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = colorful(tmp_path / "turned.jpg", (120, 80), quality=98, exif=exif)
    pixels = np.zeros((50, 50, 4), np.uint8)
    pixels[:25] = (250, 10, 60, 255)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    page.open(url)
    for path in (turned, tmp_path / "clear.png"):
        [expected] = photos.read([path], card)
        difference = np.abs(view_in_browser(page, path, card).astype(int) - expected.view)
        assert difference.max() <= 12  # `predict` turns a photo by writing another JPEG
        assert difference.mean() <= 1.5


def test_fifty_photos_have_the_class_that_predict_gives_them(page, url, tflite, grocery):
    runner = opening.open_model(tflite)
    expected = runner.run(np.stack([photo.view for photo in photos.read(grocery, runner.card)])).probabilities
    page.open(url)
    found = np.array([page.give(path)["probabilities"] for path in grocery])
    assert len(set(expected.argmax(axis=1))) > 3  # else agreement would say little
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert browser_tests.console_errors(page.browser) == []


def test_the_answer_is_shown_with_bars_a_map_and_the_time(page, url, tflite, tmp_path):
    card = model_card.read(model_card.card_path(tflite))
    page.open(url)
    assert "resnet_tiny, 7 classes, 32 × 32 pixels, float32" in page.text("about")
    assert "right on 50.00 % of 1,234 test photos." in page.text("about")
    answer = page.give(colorful(tmp_path / "a.png", (300, 200)))
    best = sorted(range(7), key=lambda i: -answer["probabilities"][i])[:5]
    rows = page.browser.find_elements("css selector", "#best, #top li")
    shares = [f"{100 * answer['probabilities'][i]:.1f} %" for i in best]
    assert [row.text.split("\n") for row in rows] == [[card.classes[i], s] for i, s in zip(best, shares, strict=True)]
    assert page.text("answer") == card.classes[best[0]]
    assert page.run("return document.getElementById('status').textContent") == f"{card.classes[best[0]]}, {shares[0]}"
    filled = [
        page.run("const b = arguments[0].querySelector('.bar'); return b.firstChild.offsetWidth / b.offsetWidth", r)
        for r in rows
    ]
    np.testing.assert_allclose(filled, [answer["probabilities"][i] for i in best], atol=0.02)
    assert "ms on this device" in page.text("time")
    # The map lies over the central square that the network saw, and has colours.
    square, photo = (
        page.run(
            "const r = arguments[0].getBoundingClientRect(); return [r.x, r.y, r.width, r.height]", page.find(name)
        )
        for name in ("map", "photo")
    )
    side = photo[3] * card.crop_fraction
    np.testing.assert_allclose(square[2:], [side, side], atol=1)
    np.testing.assert_allclose(square[0] + side / 2, photo[0] + photo[2] / 2, atol=1)
    colors = page.run(
        "return Array.from(arguments[0].getContext('2d').getImageData(0, 0, 256, 256).data)", page.find("map")
    )
    expected = opening.open_model(tflite).run(np.stack([p.view for p in photos.read([tmp_path / "a.png"], card)]))
    assert len({tuple(c) for c in np.reshape(colors, (-1, 4)).tolist()}) > (10 if expected.activation.max() > 0 else 0)


def test_what_is_no_photo_gets_a_message_and_the_next_photo_an_answer(page, url, tmp_path):
    page.open(url)
    (tmp_path / "notes.txt").write_text("no photo at all, but long enough to be one")
    (tmp_path / "cut.jpg").write_bytes(colorful(tmp_path / "whole.jpg", (64, 64)).read_bytes()[:60])
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (tmp_path / "empty.png").write_bytes(b"")
    colorful(tmp_path / "strip.png", (600, 4))
    for name, message in {
        "notes.txt": "This file is not a photo. Choose a JPEG, PNG, WebP, GIF or BMP.",
        "cut.jpg": "This JPEG photo is damaged, or too large for this device.",
        "phone.heic": "This browser cannot read HEIC photos. Save it as JPEG and choose that.",
        "empty.png": "This file is not a photo. Choose a JPEG, PNG, WebP, GIF or BMP.",
        "strip.png": "This is a strip of 600 × 4 pixels. Choose a photo of a usual shape.",
    }.items():
        assert page.give(tmp_path / name) is None
        assert page.text("problem") == message
        assert not page.find("result").is_displayed()
    assert page.give(colorful(tmp_path / "a.webp", (64, 64), lossless=True)) is not None
    assert page.text("problem") == ""
    assert browser_tests.console_errors(page.browser) == []


def test_it_works_when_the_network_is_cut_after_the_first_load(page, files, tmp_path):
    photo = colorful(tmp_path / "a.png", (80, 60))
    with serving(files) as server:
        page.open(server.url)
        page.wait("return document.getElementById('offline').textContent")
        before = page.give(photo)["probabilities"]
    page.browser.refresh()
    page.wait("return document.body.dataset.ready")
    assert page.give(photo)["probabilities"] == before
    assert page.run("return [...document.images].every((image) => image.naturalWidth > 0)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(page, url, axe, scheme, tmp_path):
    with browser_tests.shown(page.browser, scheme=scheme, width=390, height=844):
        page.open(url)
        assert browser_tests.serious_faults(page.browser, axe) == []
        page.give(colorful(tmp_path / "a.png", (90, 160)))
        assert browser_tests.serious_faults(page.browser, axe) == []
        assert page.run("return document.documentElement.scrollWidth") <= 390
        (tmp_path / "notes.txt").write_text("no photo")
        page.give(tmp_path / "notes.txt")
        assert browser_tests.serious_faults(page.browser, axe) == []


def test_all_of_it_is_reached_by_the_keyboard(page, url, tmp_path):
    from selenium.webdriver import ActionChains, Keys

    def tabs(count):
        reached = []
        for _ in range(count):
            ActionChains(page.browser).send_keys(Keys.TAB).perform()
            reached.append(
                page.run("const e = document.activeElement; return [e.id, getComputedStyle(e).outlineStyle]")
            )
        return reached

    page.open(url)
    assert tabs(2) == [["take", "solid"], ["choose", "solid"]]
    page.give(colorful(tmp_path / "a.png", (90, 90)))
    page.run("document.getElementById('choose').focus()")
    assert tabs(1) == [["opacity", "solid"]]
    page.browser.switch_to.active_element.send_keys(Keys.HOME)
    assert page.run("return getComputedStyle(document.getElementById('map')).opacity") == "0"
    assert page.find("opacity").get_attribute("aria-valuetext") == "0 %"


def test_a_photo_is_taken_by_the_camera_and_by_the_keyboard(page, url):
    from selenium.webdriver import Keys

    page.open(url)
    for key, answered in ((Keys.ESCAPE, False), (Keys.ENTER, True)):
        page.find("take").send_keys(Keys.ENTER)
        page.wait("return document.getElementById('camera').open")
        page.find("shoot").send_keys(key)
        page.wait("return !document.getElementById('camera').open")
        if answered:
            assert page.answer() is not None
        else:
            assert page.run("return document.body.dataset.answer") is None
        assert page.run("return document.getElementById('video').srcObject") is None


def test_a_folder_is_served_by_another_server_below_any_address(page, files, tmp_path):
    static_folder.write(files, tmp_path / "below" / "page")
    with of_any_kind(tmp_path) as url:
        page.open(f"{url}/below/page/")
        assert page.give(colorful(tmp_path / "a.png", (90, 90))) is not None
        assert browser_tests.console_errors(page.browser) == []


def test_a_new_student_is_seen_at_once_where_the_server_has_files_kept_for_an_hour(page, tflite, runtimes, tmp_path):
    student, photo = model_file.load(tflite), colorful(tmp_path / "a.png", (90, 90))
    renamed = dataclasses.replace(student.card, classes=tuple(name.upper() for name in student.card.classes))
    other = dataclasses.replace(student, name="student-other.tflite", card=renamed)
    with of_any_kind(tmp_path) as url:
        for of, written in ((student, 1e9), (other, 2e9)):
            static_folder.write(site.create(of, runtimes), tmp_path / "page")
            for path in (tmp_path / "page").rglob("*"):
                os.utime(path, (written, written))
            best = int(np.argmax(page.open(f"{url}/page/").give(photo)["probabilities"]))
            assert page.text("answer") == of.card.classes[best]
            page.wait("return document.getElementById('offline').textContent")


@contextlib.contextmanager
def of_any_kind(folder):
    """The address of a plain web server of a folder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hoster, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Hoster(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()


def test_a_file_without_a_map_gives_the_probabilities(page, url, runtimes, tmp_path):
    photo = colorful(tmp_path / "a.png", (90, 90))
    page.open(url)
    expected = page.give(photo)["probabilities"]
    alone = write_tflite(tmp_path, ["probabilities"])
    with serving(site.create(model_file.load(alone), runtimes)) as server:
        page.open(server.url)
        np.testing.assert_allclose(page.give(photo)["probabilities"], expected, atol=1e-5)
        assert [page.find(name).is_displayed() for name in ("photo", "map", "looked")] == [True, False, False]
        assert browser_tests.console_errors(page.browser) == []


def test_an_onnx_file_gives_the_same_probabilities(page, url, tflite, runtimes, resnet_onnx, tmp_path):
    photo = colorful(tmp_path / "a.png", (90, 90))
    page.open(url)
    expected = page.give(photo)["probabilities"]
    with serving(site.create(model_file.load(resnet_onnx), runtimes)) as server:
        page.open(server.url)
        np.testing.assert_allclose(page.give(photo)["probabilities"], expected, atol=1e-4)
        assert browser_tests.console_errors(page.browser) == []


@pytest.fixture(scope="module")
def resnet_onnx(tmp_path_factory):
    """The student of `tflite` as ONNX."""
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    from tests.export.conftest import Student

    student = Student(image_size=32, shorter_side=36)
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    path.write_bytes(to_onnx.convert(student.function, "Somebody", "CC0"))
    model_card.write(model_card.card_path(path), student.card_of(file_format="onnx"))
    return path
