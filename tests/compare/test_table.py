import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from jdnet_jax.compare import figure, results, table
from jdnet_jax.figures import intervals
from jdnet_jax.process.errors import UserError
from tests.compare import runs

_HITS = {("ce", 0): [1, 0, 0, 0], ("ce", 1): [1, 1, 0, 0], ("jdnet", 0): [1, 1, 0, 0], ("jdnet", 1): [1, 1, 1, 1]}
_MORE = {("ce", 2): [0, 0, 1, 0], ("jdnet", 2): [0, 1, 1, 1]}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    found = [
        results.read(runs.make(folder, *key, hits, teachers=[("teacher", 0.75)] if key[0] == "jdnet" else []))
        for key, hits in _HITS.items()
    ]
    return table.rows(found, ["ce", "jdnet", "kd"], "ce", {"kd": ["kd-0 (status 2: error: no)"]})


def test_the_figures_of_a_recipe_by_hand(rows):
    jdnet = rows[1]
    assert jdnet["seeds"] == [0, 1]
    assert jdnet["top1"]["values"] == [0.5, 1.0]
    assert jdnet["top1"]["mean"] == 0.75
    assert jdnet["top1"]["deviation"] == pytest.approx(0.125**0.5)
    assert jdnet["teachers_top1"] == {"teacher": {"values": [0.75, 0.75], "mean": 0.75, "deviation": 0.0}}
    assert (jdnet["training_seconds"], jdnet["parameters"], jdnet["multiply_adds"]) == (16.0, 80_000, 4_000_000)


def test_differences_are_paired(rows):
    difference = rows[1]["difference"]
    assert difference["mean"] == pytest.approx((0.25 + 0.5) / 2)
    assert difference["over_seeds"] is difference["interval"] is None  # two seeds tell nothing of a third
    # Of the four photos: none, half, half and half of the seeds gain; all draws lie between none and half.
    low, high = difference["over_photos"]
    assert 0 <= low < 0.375 < high <= 0.5
    assert rows[0]["difference"] is None


def test_markdown_says_what_is_missing(rows):
    text = table.markdown(rows, "ce")
    lines = text.splitlines()
    assert lines[1].count("|") == lines[0].count("|") == lines[2].count("|") == lines[4].count("|")
    assert lines[3].startswith("| jdnet | 2 | 75.00 ± 35.36 | 0.5000 ± 0.0000 | +37.50 | – |")
    assert lines[4].startswith("| kd | 0 | – |")
    assert lines[-1] == "- missing: kd-0 (status 2: error: no)"


def test_three_seeds_have_the_interval_that_counts(tmp_path):
    hits = _HITS | _MORE
    found = [results.read(runs.make(tmp_path, *key, right)) for key, right in hits.items()]
    rows = table.rows(found, ["ce", "jdnet"], "ce", {})
    difference = rows[1]["difference"]
    by_photo = np.array([np.subtract(hits["jdnet", seed], hits["ce", seed]) for seed in range(3)])
    assert difference["interval"] == intervals.joined(by_photo.astype(np.float64))
    assert difference["over_seeds"] == intervals.over_seeds(np.array([0.25, 0.5, 0.5]))
    low, high = (100 * end for end in difference["interval"])
    text = table.markdown(rows, "ce", ["ce: alone", "jdnet: together"])
    assert f"| +41.67 ({low:+.2f} to {high:+.2f}) | +5.81 to +77.52 |" in text
    assert text.endswith("\n- ce: alone\n- jdnet: together\n")
    assert f">+41.7 ({low:+.1f} to {high:+.1f})</text>" in figure.draw(rows, "ce")


def test_names_are_shown_letter_by_letter():
    row = {"recipe": "a|b<i>\x1b[2J\n", "seeds": [], "missing": ["[x](javascript:1) `c`"]}
    lines = table.markdown([row], "<b>|").splitlines()
    assert lines[2].startswith(r"| a\|b\<i\>\\x1b\[2J\\n | 0 |")
    assert r"less \<b\>\| (points, 95 %" in lines[0]
    assert lines[-1] == r"- missing: \[x\](javascript:1) \`c\`"


def test_one_run_alone_has_no_deviation_and_no_interval(tmp_path):
    found = [results.read(runs.make(tmp_path, recipe, 0, [1, 0], rate=None)) for recipe in ("ce", "jdnet")]
    row = table.rows(found, ["ce", "jdnet"], "ce", {})[1]
    assert row["top1"]["deviation"] is None
    assert row["difference"]["over_seeds"] is None
    assert row["training_seconds"] is None
    assert "| jdnet | 1 | 50.00 | 0.5000 | +0.00 | – |" in table.markdown([row], "ce")


def test_two_runs_of_one_recipe_and_seed_are_refused(tmp_path):
    found = [results.read(runs.make(tmp_path / name, "ce", 0, [1])) for name in "ab"]
    with pytest.raises(UserError, match=r"are both ce with seed 0: leave one out"):
        table.rows(found, ["ce"], "ce", {})


def test_the_figure_has_a_dot_for_each_run(rows):
    drawn = figure.draw(rows, "ce")
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    dots = {dot.find(f"{space}title").text: float(dot.get("cx")) for dot in root.iter(f"{space}circle")}
    assert set(dots) == {
        "ce, seed 0: 25.00%",
        "ce, seed 1: 50.00%",
        "jdnet, seed 0: 50.00%",
        "jdnet, seed 1: 100.00%",
    }
    assert dots["ce, seed 0: 25.00%"] < dots["ce, seed 1: 50.00%"] == dots["jdnet, seed 0: 50.00%"]
    assert "kd" not in drawn


def test_a_comparison_without_a_run_can_be_drawn():
    ElementTree.fromstring(figure.draw([{"recipe": "ce", "seeds": [], "missing": []}], "ce"))
