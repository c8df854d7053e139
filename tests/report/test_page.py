import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from jdnet_jax.process.errors import UserError
from jdnet_jax.report import curves, mistakes, page, run_record
from jdnet_jax.report.run_record import RunRecord
from jdnet_jax.run.workdir import Workdir
from tests.report import workdir


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text, self.inside = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.inside):
            self.text += data + " "

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    place = workdir.make(tmp_path_factory.mktemp("finished"))
    page.write(place)
    return place, place.report.read_text(encoding="utf-8")


def test_figures_of_each_network(finished):
    text = " ".join(Elements(finished[1]).text.split())
    assert "jdnet on synthetic_meals, seed 3" in text
    assert "73.3 % of 15 (48 to 89) is the top-1 of the student on test. The network teacher, 4.0 times" in text
    assert "its size, has 100 % of 15 (80 to 100). In brackets the 95 % interval." in text
    assert (
        "Before training, a linear classifier on the student's initial features had 20 % of 15 (7 to 45) on val."
        in text
    )
    assert "2.00 M" in text
    assert "300 M" in text


def test_a_curve_of_every_term(finished):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", finished[1])
    for term in ("Cross-entropy of student", "Cross-entropy of teacher", "MSKD", "IAL"):
        assert f"{term}, unweighted" in captions
    assert {"Top-1 on val", "Total loss, all terms weighted", "Weights of the terms: MSKD"} <= set(captions)
    assert "Strength of the gradients into the student, cross-entropy 1: MSKD" in captions
    assert "Cosine of the gradients into the student with cross-entropy: MSKD" in captions


def test_what_never_changes_is_told_and_not_drawn(finished):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", finished[1])
    assert not any("earning rate" in caption for caption in captions)
    assert "Learning rates, the same at every step: student 0.001, teacher 0.001." in finished[1]


@pytest.mark.parametrize(
    ("term", "networks", "name"),
    [
        ("mskd_teacher", ("student", "teacher"), "MSKD"),
        ("mskd_a", ("student", "a", "b"), "MSKD with a"),
        ("ce_student", ("student",), "cross-entropy of student"),
        ("total", ("student",), "total"),
        ("other_teacher", ("student", "teacher"), "other_teacher"),
    ],
)
def test_terms_have_plain_names(term, networks, name):
    assert curves.term_name(term, networks) == name


def test_maps_of_both_networks_at_every_step(finished):
    alts = [image["alt"] for image in Elements(finished[1]).all("img")]
    for name in ("student", "teacher"):
        for step in (0, 20, 40):
            assert f"{name}'s activation map of apple pie at step {step}" in alts
    assert "photo of apple pie" in alts


def test_photos_that_the_student_got_wrong_by_file_name(finished):
    text = " ".join(Elements(finished[1]).text.split())
    # By the order of `CONFUSION`: four photos right, one wrong, three wrong, two right, five right.
    assert "4 test photos that the student got wrong, the surest first" in text
    assert [number for number in range(15) if f"photos/{number} & more.jpg" in text] == [4, 5, 6, 7]


def test_the_most_confused_pairs_come_first_with_a_photo(finished):
    text = " ".join(Elements(finished[1]).text.split())
    first = '<script>alert("x")</script> taken for apple pie 3 of 5 of its photos'
    assert first in text
    assert text.index(first) < text.index('apple pie taken for <script>alert("x")</script> 1 of 5 of its photos')


@pytest.mark.parametrize(
    ("counts", "title"),
    [([[5, 0], [1, 4]], "The most confused pair of"), ([[4, 1], [1, 4]], "The 2 most confused pairs")],
)
def test_one_pair_is_one(counts, title):
    none = {f"confused/{key}": np.empty(0, np.int64) for key in ("label", "prediction", "image")}
    run = RunRecord(Path("run"), {}, "", "", [], None, ("a", "b"), none, {}, {})
    assert title in mistakes._pairs(run, np.array(counts))


def test_every_cell_of_the_matrix_has_its_count(finished):
    matrix = finished[1].partition("Confusion matrix of the student")[2].partition("</svg>")[0]
    found = re.findall(r'<text class="count (\w+)" x="([\d.]+)" y="([\d.]+)">(\w+)</text>', matrix)
    cells = {(int(float(y)), int(float(x))): (kind, count) for kind, x, y, count in found}
    assert cells == {
        (0, 0): ("strong", "4"),  # 4 of 5, whose root is 0.89
        (0, 1): ("weak", "1"),
        (1, 0): ("middle", "3"),
        (1, 1): ("middle", "2"),
        (2, 2): ("strong", "5"),
    }
    assert [mistakes._short(count) for count in (7, 999, 1500, 123_456)] == ["7", "999", "1.5k", "123k"]


def test_each_class_has_its_figures(finished):
    rows = re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", finished[1].partition("Each class")[2])
    values = re.findall(r'data-value="([^"]*)"', rows[0])
    assert "apple pie" in rows[0]
    assert [float(value) for value in values] == pytest.approx([4 / 7, 4 / 5, 8 / 12, 1.0, 5])


def test_the_calibration_before_and_after(finished):
    assert "error 0.1250 at temperature 1, 0.0625 at 1.250" in finished[1]
    assert "Training ended early, after step 40 of 90." in finished[1]
    assert "15 photos are few for a test: test with photos from another day" in finished[1]
    assert "Imbalance: apple pie has 120 photos to train on, 12 times as many as &lt;script&gt;" in finished[1]
    assert "it rejects 20 % of 15 (7 to 45), 1 of which were right" in finished[1]
    assert "which changes no answer, is fitted on 15 photos of val." in finished[1]  # as earlier versions did


def test_the_config_tells_what_is_not_the_default_and_the_command_is_whole(finished):
    own = finished[1].partition("that are not the defaults")[2].partition("<details>")[0]
    assert '<th scope="row">steps</th><td>40</td>' in own
    assert "batch_size" not in own
    assert "python -m jdnet_jax.main --config=configs/demo.py &#39;--config.x=&lt;b&gt;&#39;" in finished[1]


def test_it_needs_no_network_and_runs_no_script_but_its_own(finished):
    elements = Elements(finished[1])
    assert len(elements.all("script")) == 1
    assert "src" not in elements.all("script")[0]
    for _, attributes in elements.found:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "url(" not in finished[1]
    assert "@import" not in finished[1]


def test_it_is_accessible_by_its_markup(finished):
    elements = Elements(finished[1])
    assert all(image["alt"] for image in elements.all("img"))
    charts = [svg for svg in elements.all("svg") if svg.get("role") == "img"]
    assert len(charts) == len(elements.all("svg"))
    assert all(svg["aria-label"] for svg in charts)
    assert all("scope" in head for head in elements.all("th"))
    targets = {attributes.get("id") for _, attributes in elements.found}
    assert {link["href"][1:] for link in elements.all("a")} <= targets


def test_a_run_that_goes_on_has_a_report_too(tmp_path):
    place = workdir.make(tmp_path / "run", finished=False)
    page.write(place)
    text = " ".join(Elements(place.report.read_text()).text.split())
    assert "The run is not finished: it has logged step 20 of 40." in text
    assert "Mistakes are counted on test when the run is finished." in text
    alts = [image["alt"] for image in Elements(place.report.read_text()).all("img")]
    assert "student's activation map of apple pie at step 20" in alts


def test_a_run_that_has_only_begun(tmp_path):
    place = workdir.make(tmp_path / "run", finished=False)
    for path in (place.metrics, place.data, place.command, *place.snapshots.iterdir()):
        path.unlink()
    made = page.of_run(run_record.read(place))
    assert "There are no curves before two steps are logged." in made
    assert "This run has no activation maps." in made
    place.metrics.write_text('{"step": 5, "loss/total": 2.0, "accuracy/student": 0.5}\n')
    assert "There are no curves before two steps" in page.of_run(run_record.read(place))  # one point is no curve
    assert "started from Python" in made


def test_a_recipe_without_a_teacher(tmp_path):
    place = workdir.make(tmp_path / "run")
    for path, change in ((place.config, {"teachers": {}}), (place.summary, {"teachers": {}})):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert "times its size" not in page.of_run(run_record.read(place))


def test_no_workdir_or_a_damaged_one(tmp_path):
    with pytest.raises(UserError, match=r"is not the folder of a run: it has no config.json"):
        page.write(Workdir(tmp_path))
    place = workdir.make(tmp_path / "run")
    place.summary.write_text("{")
    with pytest.raises(UserError, match=r"summary.json is damaged .*: delete summary.json and run the same command"):
        page.write(place)
    assert not place.report.exists()


@pytest.mark.parametrize("name", ["config.json", "data.json", "metrics.jsonl", "command.txt", "snapshots/20.npz"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, name):
    place = workdir.make(tmp_path / "run", finished=False)
    (place.path / name).unlink()
    os.mkfifo(place.path / name)
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        page.write(place)


@pytest.mark.parametrize("kind", [KeyError, TypeError])
def test_a_mistake_of_the_report_is_not_told_as_damage(tmp_path, monkeypatch, kind):
    def broken(run):
        raise kind("of the program")

    monkeypatch.setattr(page, "of_run", broken)
    place = workdir.make(tmp_path / "run")
    with pytest.raises(UserError, match="its files do not fit together"):  # nothing vouches for them
        page.write(place)
    place.finish(json.loads(place.summary.read_text()))
    with pytest.raises(kind, match="of the program"):
        page.write(place)
