import base64
import io
import re

import numpy as np
from markupsafe import Markup
from PIL import Image

from jdnet_jax.report import html


def test_cells():
    assert [html.cell(value) for value in (None, float("nan"), 0.123, 12345)] == ["–", "–", "12.3 %", "12,345"]


def test_a_table_escapes_text_and_tells_numbers_to_the_script():
    made = str(html.table("a & b", ["<x>", "n"], [["<i>", 0.5], ["j", None]], sortable=True))
    assert "<caption><span>a &amp; b</span></caption>" in made
    assert '<button type="button">&lt;x&gt;</button>' in made
    assert '<th scope="row">&lt;i&gt;</th><td class="number" data-value="0.5">50.0 %</td>' in made
    assert 'data-value="">–' in made


def test_options_in_a_paragraph_are_not_broken_over_lines():
    made = html.paragraph("train with --folds=5 <x>, or evaluate --photos=FOLDER.")
    assert made == ("<p>train with <code>--folds=5</code> &lt;x&gt;, or evaluate <code>--photos=FOLDER</code>.</p>")


def test_a_photo_is_kept_at_no_more_than_twice_the_size_it_is_shown_at():
    made = html.photo(np.zeros((300, 300, 3), np.uint8), "a <photo>", 50)
    assert isinstance(made, Markup)
    assert 'alt="a &lt;photo&gt;" width="50"' in made
    data = base64.b64decode(re.search(r"base64,([^\"]+)", made).group(1))
    assert Image.open(io.BytesIO(data)).size == (100, 100)
