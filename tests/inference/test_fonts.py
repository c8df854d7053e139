import unicodedata
from pathlib import Path

import pytest
from PIL import ImageChops, ImageFont, features

from jdnet_jax.inference import fonts, overlay

_DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")  # has Arabic and Hebrew, no Chinese


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only place where fonts are looked for."""
    monkeypatch.setattr(fonts, "FOLDERS", (str(tmp_path),))
    for cached in (fonts._files, fonts._file_for, fonts._tell):
        cached.cache_clear()
    yield tmp_path
    for cached in (fonts._files, fonts._file_for, fonts._tell):
        cached.cache_clear()


def caption(name):
    return overlay._caption(name, 0.5, 600)


def test_english_letters_need_no_font_of_the_machine(folder):
    for text in ("God-Morgon-Juice, 1 l (50 %)", "fig", ""):
        name = fonts.Name(text)
        assert name.text == text
        assert name.font(20).getname() == ImageFont.load_default(20).getname()


def test_without_a_font_accents_are_left_out(folder):
    for form in ("NFC", "NFD"):  # file systems may give letters and accents apart
        assert fonts.Name(unicodedata.normalize(form, "crème brûlée")).text == "creme brulee"


@pytest.mark.parametrize("names", [("拉麺", "寿司"), ("김치", "비빔밥"), ("كسكس", "حمص")])
def test_without_a_font_two_names_look_different_and_a_line_says_why(folder, capsys, names):
    first, second = map(fonts.Name, names)
    assert first.text == names[0].encode("unicode_escape").decode()
    assert ImageChops.difference(caption(names[0]), caption(names[1])).getbbox()
    assert first.font(20).getlength(second.text) > 0
    told = capsys.readouterr().err
    assert told.count(f"no font on this machine draws {names[0]}") == 1


def test_only_what_is_missing_stands_by_its_number(folder):
    assert fonts.Name("ramen 拉麺").text == r"ramen \u62c9\u9eba"


@pytest.mark.skipif(not _DEJAVU.is_file(), reason="needs DejaVu Sans: apt-get install fonts-dejavu-core")
def test_a_font_of_the_machine_that_has_every_letter_draws_them(folder, monkeypatch):
    (folder / "no font.ttf").write_bytes(b"no font")
    (folder / "sub").mkdir()
    (folder / "sub" / "Some.ttf").write_bytes(_DEJAVU.read_bytes())
    name = fonts.Name(unicodedata.normalize("NFD", "crème"))
    assert name.text == "crème"
    assert name.font(20).getname()[0] == "DejaVu Sans"
    hebrew = fonts.Name("חומוס")
    if features.check("raqm"):
        assert hebrew.text == "חומוס"
        assert hebrew.font(20).getname()[0] == "DejaVu Sans"
        assert caption("חומוס").getbbox()
    assert fonts.Name("拉麺").text == r"\u62c9\u9eba"  # it has no Chinese
    fonts._file_for.cache_clear()
    monkeypatch.setattr(features, "check", lambda name: False)
    assert fonts.Name("חומוס").text.startswith(r"\u05d7")  # would be drawn from the wrong side
