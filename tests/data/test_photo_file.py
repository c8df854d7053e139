import contextlib
import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jdnet_jax.data import image_check, photo_file, photo_limits
from jdnet_jax.data.image_check import UnreadablePhotoError
from tests.data.tiny import smooth_photo

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(height=24, width=32) -> Image.Image:
    return Image.fromarray(smooth_photo(3, height, width))


def seen(content: bytes) -> np.ndarray:
    """What training sees of a file: int32, so that differences do not wrap."""
    return image_check.decode(photo_file.to_record(content)).astype(np.int32)


def oriented(kind: str, orientation: int, **options) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(photo(), kind, exif=exif, **options)


class TestKeptByteForByte:
    @pytest.mark.parametrize(
        "content",
        [
            encoded(photo(), "JPEG"),
            encoded(photo().convert("L"), "JPEG"),
            encoded(photo(), "JPEG", progressive=True),
            oriented("JPEG", 1),
            oriented("JPEG", 9),  # no orientation that EXIF knows
            encoded(photo(), "PNG"),
            encoded(photo().convert("L"), "PNG"),
            encoded(photo().quantize(200), "PNG"),
            encoded(photo().convert("1"), "PNG"),
            encoded(photo(), "JPEG") + b"rubbish behind the end",
        ],
        ids=[
            "rgb",
            "grey",
            "progressive",
            "upright",
            "no orientation",
            "png",
            "grey png",
            "palette",
            "bilevel",
            "trailing",
        ],
    )
    def test_what_tensorflow_decodes_rightly(self, content):
        assert photo_file.to_record(content) is content
        with Image.open(io.BytesIO(content)) as image:
            expected = np.asarray(image.convert("RGB"), np.int32)
        assert np.abs(seen(content) - expected).max() <= 4  # two JPEG decoders

    def test_a_jpeg_with_more_pictures_behind_it(self):
        """As phones write them: MPO, of which the first picture is the photo."""
        file = io.BytesIO()
        photo().save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
        with Image.open(io.BytesIO(file.getvalue())) as image:
            assert image.format == "MPO"
        np.testing.assert_allclose(seen(file.getvalue()), np.asarray(photo(), np.int32), atol=16)

    def test_broken_exif_is_no_reason_to_lose_a_photo(self):
        content = encoded(photo(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff\x00")
        with photo_limits.quiet_pillow():
            assert photo_file.to_record(content) is content


class TestOrientation:
    """A viewer turns the stored pixels; here NumPy says how, by the EXIF standard's own table."""

    UPRIGHT = {  # noqa: RUF012
        1: lambda stored: stored,
        2: lambda stored: stored[:, ::-1],  # row 0 at the top, column 0 at the right
        3: lambda stored: stored[::-1, ::-1],
        4: lambda stored: stored[::-1],
        5: lambda stored: stored.transpose(1, 0, 2),  # row 0 at the left, column 0 at the top
        6: lambda stored: stored[::-1].transpose(1, 0, 2),  # row 0 at the right
        7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
        8: lambda stored: stored[:, ::-1].transpose(1, 0, 2),  # row 0 at the left, column 0 at the bottom
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_is_applied(self, kind, orientation):
        expected = self.UPRIGHT[orientation](np.asarray(photo(), np.int32))
        actual = seen(oriented(kind, orientation, **({} if kind == "PNG" else {"quality": 95})))
        assert actual.shape == expected.shape
        assert np.abs(actual - expected).max() <= (0 if kind == "PNG" else 12)

    def test_is_not_left_in_the_record(self):
        record = photo_file.to_record(oriented("JPEG", 6))
        with Image.open(io.BytesIO(record)) as image:
            assert ORIENTATION not in image.getexif()
            assert image.size == (24, 32)

    def test_a_grey_photo_stays_grey(self):
        exif = Image.Exif()
        exif[ORIENTATION] = 3
        with Image.open(io.BytesIO(photo_file.to_record(encoded(photo().convert("L"), "JPEG", exif=exif)))) as image:
            assert image.mode == "L"


class TestColors:
    def test_cmyk_without_a_profile(self):
        """Adobe's inverted values, as Pillow writes them and as image editors do."""
        cyan, magenta, yellow, black = 40, 200, 100, 20
        content = encoded(Image.new("CMYK", (16, 16), (cyan, magenta, yellow, black)), "JPEG", quality=95)
        expected = [(255 - ink) * (255 - black) / 255 for ink in (cyan, magenta, yellow)]
        np.testing.assert_allclose(seen(content)[8, 8], expected, atol=3)
        with Image.open(io.BytesIO(photo_file.to_record(content))) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")

    def test_cmyk_with_a_profile(self):
        """In this profile every ink but black is grey, which the formula without a profile would not know."""
        image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        assert seen(encoded(image, "JPEG", quality=95))[8, 8].tolist() == pytest.approx([0, 255, 255], abs=3)
        r, g, b = seen(encoded(image, "JPEG", quality=95, icc_profile=grey_cmyk_profile()))[8, 8]
        assert r == g == b
        assert 150 < r < 230

    def test_a_profile_that_is_none(self):
        image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        content = encoded(image, "JPEG", quality=95, icc_profile=b"no profile" * 20)
        assert seen(content)[8, 8].tolist() == pytest.approx([0, 255, 255], abs=3)

    def test_grey_png_of_16_bits(self):
        values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + np.uint16(7)
        content = encoded(Image.fromarray(values), "PNG")
        np.testing.assert_array_equal(seen(content), (values >> 8)[..., None].repeat(3, -1))

    def test_grey_png_of_16_bits_that_must_be_turned(self):
        values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + np.uint16(7)
        exif = Image.Exif()
        exif[ORIENTATION] = 3
        content = encoded(Image.fromarray(values), "PNG", exif=exif)
        np.testing.assert_array_equal(seen(content), (values >> 8)[::-1, ::-1, None].repeat(3, -1))

    def test_colour_png_of_16_bits(self):
        values = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
        np.testing.assert_array_equal(seen(png_of_16_bits(values)), values >> 8)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_what_is_transparent_lies_on_white(self, kind):
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[..., 0] = 200
        pixels[:, 4:, 3] = 255
        pixels[:, 8:12, 3] = 51  # a fifth
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        tolerance = 12 if kind == "WEBP" else 1  # hard edges in JPEG
        actual = seen(encoded(Image.fromarray(pixels), kind, **options))
        np.testing.assert_allclose(actual[8, 1], [255, 255, 255], atol=tolerance)
        np.testing.assert_allclose(actual[8, 6], [200, 0, 0], atol=tolerance)
        np.testing.assert_allclose(actual[8, 10], [244, 204, 204], atol=tolerance)

    def test_grey_with_alpha(self):
        content = encoded(Image.merge("LA", [Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 0)]), "PNG")
        assert (seen(content) == 255).all()

    def test_a_transparent_colour_of_an_rgb_png(self):
        image = Image.new("RGB", (8, 8), (0, 120, 0))
        image.putpixel((3, 5), (9, 9, 9))
        actual = seen(encoded(image, "PNG", transparency=(0, 120, 0)))
        assert actual[0, 0].tolist() == [255, 255, 255]
        assert actual[5, 3].tolist() == [9, 9, 9]

    def test_a_transparent_colour_of_a_palette(self):
        image = Image.new("P", (8, 8), 0)
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((3, 5), 1)
        actual = seen(encoded(image, "PNG", transparency=0))
        assert actual[0, 0].tolist() == [255, 255, 255]
        assert actual[5, 3].tolist() == [0, 0, 255]


class TestFormats:
    @pytest.mark.parametrize(
        ("kind", "written", "tolerance"), [("WEBP", "JPEG", 20), ("BMP", "PNG", 0), ("GIF", "PNG", 40)]
    )
    def test_others_are_written_anew(self, kind, written, tolerance):
        content = encoded(photo(), kind)
        record = photo_file.to_record(content)
        with Image.open(io.BytesIO(record)) as image:
            assert image.format == written
        assert np.abs(image_check.decode(record).astype(int) - np.asarray(photo(), int)).max() <= tolerance

    def test_jpeg_keeps_its_chroma(self):
        """A red line of one pixel on grey survives in 4:4:4; subsampled, half its colour would run out."""
        pixels = np.full((32, 32, 3), 128, np.uint8)
        pixels[:, 9] = (255, 0, 0)
        actual = seen(encoded(Image.fromarray(pixels), "WEBP", lossless=True))
        assert actual[16, 9, 0] - actual[16, 9, 1] > 200

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_of_animated_files_the_first_picture_counts(self, kind):
        first, second = Image.new("RGB", (16, 16), (250, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 250))
        content = encoded(first, kind, save_all=True, append_images=[second], duration=100)
        assert np.abs(seen(content) - [250, 0, 0]).max() <= 6

    def test_the_name_says_nothing(self, tmp_path):
        (tmp_path / "photo.jpg").write_bytes(encoded(photo(), "PNG"))
        assert photo_file.record_of(tmp_path / "photo.jpg") == encoded(photo(), "PNG")


class TestFurtherFormats:
    @pytest.mark.parametrize(
        ("kind", "options", "tolerance"),
        [
            ("TIFF", {}, 0),
            ("TIFF", {"compression": "tiff_lzw"}, 0),
            ("JPEG2000", {}, 10),
            ("AVIF", {"quality": 100}, 10),
        ],
    )
    def test_they_are_read(self, kind, options, tolerance):
        image = Image.fromarray(smooth_photo(3, 40, 60))
        np.testing.assert_allclose(seen(encoded(image, kind, **options)), np.asarray(image), atol=tolerance)

    @pytest.mark.parametrize(("kind", "turned"), [("TIFF", 6), ("AVIF", 6), ("TIFF", 3)])
    def test_upright(self, kind, turned):
        upright = smooth_photo(3, 40, 60)
        stored = Image.fromarray(np.rot90(upright, {6: 1, 3: 2}[turned]).copy())
        exif = Image.Exif()
        exif[0x0112] = turned
        found = seen(encoded(stored, kind, exif=exif, **({"quality": 100} if kind == "AVIF" else {})))
        np.testing.assert_allclose(found, upright, atol=10)

    def test_of_sixteen_bits_the_high_byte_counts(self):
        values = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60) * 27
        found = seen(encoded(Image.fromarray(values), "TIFF"))
        np.testing.assert_array_equal(found[..., 0], values >> 8)

    def test_of_many_pages_the_first(self):
        pages = [Image.fromarray(smooth_photo(number, 40, 60)) for number in range(3)]
        content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        np.testing.assert_array_equal(seen(content), np.asarray(pages[0]))

    @pytest.mark.parametrize("turned", [1, 6])
    def test_heic(self, turned):
        pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra [heif]")
        pillow_heif.register_heif_opener()
        upright = smooth_photo(3, 40, 60)
        exif = Image.Exif()
        exif[0x0112] = turned
        stored = Image.fromarray(np.rot90(upright, {1: 0, 6: 1}[turned]).copy())
        content = encoded(stored, "HEIF", exif=exif.tobytes(), quality=100)
        np.testing.assert_allclose(seen(content), upright, atol=10)
        with pytest.raises(UnreadablePhotoError):
            seen(content[:-200])


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "an empty file, or one of zeros: a copy that was not finished"),
            (bytes(5000), "an empty file, or one of zeros: a copy that was not finished"),
            (b"<html>not found</html>", "a web page, not a photo: download it anew"),
            (b"\xef\xbb\xbf\r\n <!DOCTYPE HTML><title>404</title>", "a web page, not a photo: download it anew"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
                "a pointer of Git LFS, not the photo: git lfs",
            ),
            (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isom", "isom file: convert it to JPEG"),
            (b"%PDF-1.7", "PDF file: convert it to JPEG"),
            (b"\xff\x0a\x00", "JPEG XL file: convert it to JPEG"),
            (encoded(photo().convert("F"), "TIFF"), "a TIFF file of 32 bits a value: convert it to 8 bits"),
            (encoded(photo(), "TIFF", tiffinfo={254: 1}), "a camera's raw file: develop it"),
            (encoded(photo(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "a camera's raw file: develop it"),
        ],
        ids=["empty", "zeros", "html", "404", "lfs", "film", "pdf", "jxl", "float", "preview", "dng"],
    )
    def test_other_files(self, content, reason):
        with pytest.raises(UnreadablePhotoError, match=reason):
            photo_file.to_record(content)

    def test_iphone_photos_get_advice(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pillow_heif", None)  # cannot be imported
        with pytest.raises(UnreadablePhotoError, match=r"heic file: install the extra jdnet-jax\[heif\] to read it"):
            photo_file.to_record(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000", "AVIF"])
    @pytest.mark.parametrize("kept", [0.3, 0.9])
    def test_truncated_files(self, kind, kept):
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8))
        content = encoded(noise, kind)
        with pytest.raises(UnreadablePhotoError):
            seen(content[: int(kept * len(content))])

    def test_a_truncated_photo_that_must_be_turned(self):
        with pytest.raises(UnreadablePhotoError, match="damaged"):
            photo_file.to_record(oriented("JPEG", 6)[:-200])

    @pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (photo_limits.MAX_PIXELS + 1, 1)])
    def test_a_huge_picture_is_refused_by_its_header(self, width, height):
        with pytest.raises(UnreadablePhotoError, match="more than 179 megapixels"):
            photo_file.to_record(png_header(width, height))

    def test_whatever_limit_pillow_is_set_to(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        with pytest.raises(UnreadablePhotoError, match="more than 179 megapixels"):
            photo_file.to_record(png_header(20_000, 10_000))

    def test_missing_file(self, tmp_path):
        with pytest.raises(UnreadablePhotoError, match="No such file"):
            photo_file.record_of(tmp_path / "none.jpg")

    @given(st.data())
    def test_a_damaged_file_raises_nothing_else(self, data):
        kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP"]))
        content = bytearray(oriented(kind, 6) if kind in ("JPEG", "PNG", "WEBP") else encoded(photo(), kind))
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        with photo_limits.quiet_pillow(), contextlib.suppress(UnreadablePhotoError):
            assert seen(bytes(content)).shape[2] == 3


def test_pillow_is_quiet_only_inside():
    with photo_limits.quiet_pillow():
        warnings.warn_explicit("truncated", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")
    with pytest.warns(UserWarning, match="truncated"):
        warnings.warn_explicit("truncated", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b""))


def png_of_16_bits(values: np.ndarray) -> bytes:
    """Pillow writes none in colour."""
    height, width = values.shape[:2]
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def grey_cmyk_profile() -> bytes:
    """A small ICC profile (version 2): each ink takes a quarter of the lightness, and nothing has colour."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    grid = b"".join(
        bytes([round(255 * (1 - (c + m + y + k) / 4)), 128, 128])
        for c in (0, 1)
        for m in (0, 1)
        for y in (0, 1)
        for k in (0, 1)
    )
    identity = b"".join(fixed(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + 4 * ramp + grid + 3 * ramp
    white = b"XYZ \0\0\0\0" + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(4 + 4 + 2 + 1 + 67)
    tags, body = [], b""
    for name, data in ((b"desc", text), (b"wtpt", white), (b"A2B0", table)):
        data += bytes(-len(data) % 4)
        tags.append(name + struct.pack(">II", 128 + 4 + 3 * 12 + len(body), len(data)))
        body += data
    header = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(4 + 4 + 4 + 4 + 8 + 4)
    header += fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    header += bytes(128 - len(header))
    profile = header + struct.pack(">I", len(tags)) + b"".join(tags) + body
    return struct.pack(">I", len(profile)) + profile[4:]
