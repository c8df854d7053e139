"""The page's arithmetic, run by Node beside our own."""

import io
import json
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from jdnet_jax.demo.runtime import WEB

PAGE = WEB / "page"


def run(script, *modules):
    """What a script prints as JSON; it sees the exports of these modules of the page."""
    if not (node := shutil.which("node")):
        pytest.skip("no Node.js")
    imports = "".join(f'import * as {name} from "{(PAGE / f"{name}.js").as_uri()}";' for name in modules)
    program = f"{imports}\nconst print = (value) => console.log(JSON.stringify(value));\n{script}"
    command = [node, "--no-warnings", "--input-type=module", "-"]
    result = subprocess.run(command, input=program, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_resizing_is_that_of_tensorflow():
    rng = np.random.default_rng(0)
    cases = [
        ((7, 9), (3, 4)),
        ((5, 4), (11, 13)),
        ((40, 23), (9, 9)),
        ((6, 6), (6, 6)),
        ((1, 1), (4, 5)),
        ((17, 3), (5, 8)),
    ]
    images = [rng.uniform(0, 255, (*size, 3)).astype(np.float32) for size, _ in cases]
    given = [[image.ravel().tolist(), *size, *new] for image, (size, new) in zip(images, cases, strict=True)]
    found = run(
        f"""print({json.dumps(given)}.map(([pixels, height, width, newHeight, newWidth]) => {{
          const across = resize.taps(width, newWidth, 0, newWidth, resize.TRIANGLE);
          const down = resize.taps(height, newHeight, 0, newHeight, resize.TRIANGLE);
          const band = (top, rows) => pixels.slice(top * width * 3, (top + rows) * width * 3);
          return Array.from(resize.resizeBands(band, across, down, {{columns: width, stride: 3, channels: 3}}, 4));
        }}))""",
        "resize",
    )
    for image, (_, new), values in zip(images, cases, found, strict=True):
        expected = tf.image.resize(image, new, method="bilinear", antialias=True).numpy()
        np.testing.assert_allclose(np.reshape(values, expected.shape), expected, atol=2e-3)


def test_the_map_is_smoothed_as_pillow_does_it():
    grid = np.random.default_rng(1).uniform(0, 1, (4, 5)).astype(np.float32)
    found = run(
        f"""const grid = {json.dumps(grid.ravel().tolist())};
        const across = resize.taps(5, 32, 0, 32, resize.CUBIC), down = resize.taps(4, 32, 0, 32, resize.CUBIC);
        const band = (top, rows) => grid.slice(top * 5, (top + rows) * 5);
        print(Array.from(resize.resizeBands(band, across, down, {{columns: 5, stride: 1, channels: 1}})));""",
        "resize",
    )
    expected = np.asarray(Image.fromarray(grid).resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(np.reshape(found, (32, 32)), expected, atol=1e-5)


def test_the_square_that_the_network_sees():
    # 300 x 200 to a shorter side of 36: 54 x 36, and 32 of each from the middle; 45 x 30 to 37: 55.5, to the even 56.
    script = """print([
      resize.geometry(300, 200, 32, 36),
      resize.geometry(30, 45, 32, 37),
      [0.5, 1.5, 2.4, 2.5].map(resize.roundHalfToEven),
    ]);"""
    assert run(script, "resize") == [
        {"width": 54, "height": 36, "left": 11, "top": 2},
        {"width": 37, "height": 56, "left": 2, "top": 12},
        [0, 2, 2, 2],
    ]


def test_headers_tell_format_and_size_whatever_the_name():
    files = {}
    for kind, options in {
        "PNG": {},
        "GIF": {},
        "BMP": {},
        "JPEG": {"icc_profile": b"x" * 70_000},
        "WEBP": {"lossless": True},
    }.items():
        content = io.BytesIO()
        Image.new("RGB", (300, 211), "red").save(content, kind, **options)
        files[kind] = content.getvalue()
    for name, options in {"lossy": {}, "extended": {"exif": Image.Exif().tobytes() + bytes(9)}}.items():
        content = io.BytesIO()
        Image.new("RGB", (300, 211), "red").save(content, "WEBP", **options)
        files[name] = content.getvalue()
    files["heic"] = b"\0\0\0\x18ftypheic" + bytes(40)
    files["avif"] = b"\0\0\0\x18ftypavif" + bytes(40)
    files["film"] = b"\0\0\0\x18ftypisom" + bytes(40)
    files["text"] = b"a text that is longer than thirty bytes"
    files["short"] = b"\xff\xd8\xff"
    files["cut"] = files["JPEG"][:40]
    given = {name: list(content) for name, content in files.items()}
    found = run(
        f"const files = {json.dumps(given)};"
        "const told = ([name, bytes]) => [name, photo_header.header(Uint8Array.from(bytes))];"
        "print(Object.fromEntries(Object.entries(files).map(told)));",
        "photo_header",
    )
    size = {"width": 300, "height": 211}
    names = {
        "PNG": "PNG",
        "GIF": "GIF",
        "BMP": "BMP",
        "JPEG": "JPEG",
        "WEBP": "WebP",
        "lossy": "WebP",
        "extended": "WebP",
    }
    assert {name: found[name] for name in names} == {name: {"format": kind, **size} for name, kind in names.items()}
    assert {name: found[name] for name in ("heic", "avif", "film", "text", "short", "cut")} == {
        "heic": {"format": "HEIC"},
        "avif": {"format": "AVIF"},
        "film": {"format": ""},
        "text": {"format": ""},
        "short": {"format": ""},
        "cut": {"format": "JPEG"},
    }


def test_a_huge_photo_and_a_strip_are_refused():
    sizes = [[13377, 13377], [13378, 13378], [500, 10], [501, 10]]
    script = f"""print({sizes}.map(([width, height]) => {{
      try {{
        photo_header.checkSize({{ width, height }});
        return "";
      }} catch (error) {{
        return error.message;
      }}
    }}));"""
    assert run(script, "photo_header") == [
        "",
        "This photo has more than 179 megapixels. Choose a smaller one.",
        "",
        "This is a strip of 501 × 10 pixels. Choose a photo of a usual shape.",
    ]
