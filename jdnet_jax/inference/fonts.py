"""Fonts for class names in any script: Pillow's, which has English letters, or one installed on this machine."""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont, features

from jdnet_jax.process.progress import say

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

#: Where systems keep fonts: Linux, macOS, Windows.
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    f"{os.environ.get('WINDIR', 'C:/Windows')}/Fonts",
)

_SUFFIXES = (".ttf", ".otf", ".ttc")
_SIZE = 24  # pixels, in which fonts are tried
_NO_CHARACTER = "\uffff"  # in no font: it is drawn as all missing characters are
_UNSEEN = ("Mn", "Me", "Cf", "Zs")  # categories of characters that add to others, or show nothing themselves


class Name:
    """A text with a font of this machine that can draw it.

    Attributes:
        text: the text; where no font has all of its characters, with some as plain letters (e for è) or as `\\u62c9`,
            so that two names do not come out as the same boxes.
    """

    def __init__(self, text: str):
        """Looks for a font."""
        text = unicodedata.normalize("NFC", text)  # file systems may give letters and accents apart
        self._file, missing = _file_for(text)
        self.text = "".join(_instead(letter) if letter in missing else letter for letter in text)

    def font(self, size: int) -> Font:
        """The font that draws it, in this size in pixels."""
        return ImageFont.load_default(size) if self._file is None else ImageFont.truetype(self._file, size)


@functools.cache
def _file_for(text: str) -> tuple[Path | None, frozenset[str]]:
    """The font's file (None: Pillow's) and the characters that it cannot draw."""
    missing = _missing(None, text)
    if not missing:
        return None, missing
    # Letters that join, and lines from the right, need a library beside Pillow, which its wheels have.
    from_right = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)
    if not from_right or features.check("raqm"):
        for file in _files():
            if not _missing(file, text):
                return file, frozenset()
    _tell(text)
    return None, missing


@functools.cache
def _files() -> tuple[Path, ...]:
    """All fonts of this machine, those for running text first."""

    def all_fonts() -> Iterator[Path]:
        for folder in FOLDERS:
            for path in Path(folder).expanduser().rglob("*"):
                if path.suffix.lower() in _SUFFIXES:
                    yield path

    special = ("math", "bold", "italic", "oblique", "mono", "narrow", "condensed", "light", "thin", "black", "serif")
    return tuple(sorted(all_fonts(), key=lambda path: (sum(word in path.name.lower() for word in special), path)))


def _missing(file: Path | None, text: str) -> frozenset[str]:
    """The characters of a text that a font lacks; all of them if it cannot be opened."""
    letters = frozenset(letter for letter in text if unicodedata.category(letter) not in _UNSEEN)
    try:
        font = _opened(file)
        none = _drawn(font, _NO_CHARACTER)
        return frozenset(letter for letter in letters if _drawn(font, letter) == none)
    except (OSError, ValueError):  # not a font, or a bitmap font, which has fixed sizes
        return letters or frozenset(text)


@functools.cache
def _opened(file: Path | None) -> Font:
    if file is None:
        return ImageFont.load_default(_SIZE)
    return ImageFont.truetype(file, _SIZE, layout_engine=ImageFont.Layout.BASIC)


def _drawn(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _instead(letter: str) -> str:
    plain = unicodedata.normalize("NFD", letter)[0]
    return plain if plain.isascii() else letter.encode("unicode_escape").decode()


@functools.cache
def _tell(text: str) -> None:
    say(
        f"note: no font on this machine draws {text}: in the picture other letters or numbers stand for what is missing"
    )
