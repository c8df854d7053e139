"""The sources of the Android app, as far as they can be checked without an Android SDK."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from jdnet_jax import handoff
from jdnet_jax.data import augment
from jdnet_jax.export import android_app
from jdnet_jax.export.exporter import Request
from jdnet_jax.handoff import model_card
from jdnet_jax.inference import colormap, tflite_runner
from jdnet_jax.process.errors import UserError
from tests import tiny_student

SOURCES = Path(android_app.__file__).with_name("android")
ANDROID = "{http://schemas.android.com/apk/res/android}"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's files, with a file in place of the student's."""
    folder = tmp_path_factory.mktemp("app")
    file = folder / "s.tflite"
    file.write_bytes(b"a model")
    card = tiny_student.card(
        classes=("apple pie", "crème brûlée"), image_size=192, shorter_side=219, not_sure_below=0.25
    )
    model_card.write(model_card.card_path(file), card)
    (folder / "project").mkdir()
    android_app.fill(folder / "project", file)
    return folder / "project"


def kotlin(project):
    return sorted((project / "app" / "src" / "main" / "kotlin").glob("*.kt"))


def test_the_constants_are_those_of_model_json(project):
    assets = project / "app" / "src" / "main" / "assets"
    fields = json.loads((project / "model.json").read_text())
    text = (project / "app" / "src" / "main" / "kotlin" / "Model.kt").read_text()
    constants = dict(re.findall(r"const val (\w+) = (.+)", text))
    assert int(constants["IMAGE_SIZE"]) == fields["image_size"] == 192
    assert int(constants["SHORTER_SIDE"]) == fields["resize"]["shorter_side"] == 219
    assert float(constants["NOT_SURE_BELOW"]) == fields["not_sure_below"] == 0.25
    assert json.loads(constants["NAME"]) == fields["model"]
    assert (assets / json.loads(constants["LABELS"])).read_text().splitlines() == fields["classes"]
    assert (assets / json.loads(constants["FILE"])).read_bytes() == b"a model"
    digits = "".join(re.findall(r'"([0-9a-f]+)"', text))
    assert np.array_equal(np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, 3), colormap.table())


def test_no_place_is_left_open_and_the_readme_says_that_it_was_not_built(project):
    for path in project.rglob("*"):
        if path.suffix in (".kt", ".kts", ".md", ".xml", ".properties"):
            assert not re.search(r"@[A-Z_]+@", path.read_text())
    assert "has not built them" in (project / "README.md").read_text()
    assert "resnet_tiny" in (project / "README.md").read_text()


def test_the_xml_parses_and_names_what_there_is(project):
    main = project / "app" / "src" / "main"
    trees = {path.name: ElementTree.parse(path).getroot() for path in main.rglob("*.xml")}
    assert set(trees) == {"AndroidManifest.xml", "strings.xml", "icon.xml", "main.xml"}
    there = {f"@string/{entry.get('name')}" for entry in trees["strings.xml"]}
    there |= {f"@{path.parent.name}/{path.stem}" for path in (main / "res").rglob("*.xml")}
    named = {value for tree in trees.values() for node in tree.iter() for value in node.attrib.values()}
    assert {value for value in named if re.match(r"@(string|drawable|layout)/", value)} <= there
    declared = {value.removeprefix("@+id/") for value in named if value.startswith("@+id/")}
    code = "".join(path.read_text() for path in kotlin(project))
    assert set(re.findall(r"R\.id\.(\w+)", code)) == declared
    assert {f"@{kind}/{name}" for kind, name in re.findall(r"R\.(string|layout)\.(\w+)", code)} <= there
    (activity,) = trees["AndroidManifest.xml"].iter("activity")
    assert f"class {activity.get(f'{ANDROID}name')[1:]} " in code
    assert "jdnet.student.PhotoView" in {node.tag for node in trees["main.xml"]}


def test_versions_are_pinned(project):
    build = (project / "app" / "build.gradle.kts").read_text()
    libraries = re.findall(r'implementation\("([^"]+)"\)', build)
    plugins = re.findall(r'version "([^"]+)"', (project / "build.gradle.kts").read_text())
    gradle = re.search(r"gradle-(.+)-bin", (project / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text())
    versions = [library.split(":")[2] for library in libraries] + plugins + [gradle[1]]
    assert len(versions) == 7
    assert all(re.fullmatch(r"\d+\.\d+(\.\d+)?", version) for version in versions)
    groups = {library.split(":")[0] for library in libraries}
    for path in kotlin(project):  # what is imported comes from the platform or from a library that is named
        for name in re.findall(r"^import (\S+)$", path.read_text(), re.M):
            known = ("android.", "java.", "kotlin.", "org.tensorflow.lite.", "androidx.core.")
            assert name.startswith(known) or any(name.startswith(group) for group in groups)


def test_kotlin_parses(project):
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")
    grammar = pytest.importorskip("tree_sitter_kotlin", reason="tree-sitter-kotlin is not installed")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    for path in [*kotlin(project), *project.rglob("*.kts")]:
        text = path.read_text()
        assert not parser.parse(text.encode()).root_node.has_error, path
        imports = re.findall(r"^import \S+\.(\w+)$", text, re.M)
        body = re.sub(r"^import .*$", "", text, flags=re.M)
        assert [name for name in imports if not re.search(rf"\b{name}\b", body)] == [], path
    assert parser.parse(b"class A { fun f( }").root_node.has_error


MAIN = """
package jdnet.student

import java.io.File
import java.nio.ByteBuffer

fun main(arguments: Array<String>) {
    val (width, height, imageSize, shorterSide) = arguments.drop(2).map { it.toInt() }
    val bytes = ByteBuffer.wrap(File(arguments[0]).readBytes()).asIntBuffer()
    val pixels = IntArray(width * height).also { bytes.get(it) }
    File(arguments[1]).writeBytes(networkView(pixels, width, height, imageSize, shorterSide))
}
"""


@pytest.mark.slow
def test_the_app_sees_a_photo_as_the_evaluation_does(project, tmp_path):
    if not shutil.which("kotlinc") or not shutil.which("java"):
        pytest.skip("kotlinc and java, which run the app's preprocessing, are not installed")
    (tmp_path / "Main.kt").write_text(MAIN)
    sources = [project / "app" / "src" / "main" / "kotlin" / "Preprocessing.kt", tmp_path / "Main.kt"]
    jar = tmp_path / "view.jar"
    subprocess.run(["kotlinc", *sources, "-include-runtime", "-d", jar], check=True, capture_output=True)
    for width, height, size, shorter in ((640, 480, 224, 256), (301, 200, 64, 64), (40, 90, 48, 55)):
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = augment.central_view(tf.io.encode_png(image), size, size / shorter).numpy()
        (tmp_path / "photo").write_bytes(np.insert(image, 0, 255, axis=-1).tobytes())
        sizes = map(str, (width, height, size, shorter))
        command = ["java", "-cp", jar, "jdnet.student.MainKt", tmp_path / "photo", tmp_path / "view", *sizes]
        subprocess.run(command, check=True, capture_output=True)
        found = np.frombuffer((tmp_path / "view").read_bytes(), np.uint8).reshape(size, size, 3)
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 0.01


def test_what_lies_there_is_not_replaced_and_other_views_are_refused(tmp_path):
    source = tiny_student.save(tmp_path / "student")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "mine.kt").touch()
    with pytest.raises(UserError, match=r"--output=.*app is there already"):
        android_app.write(Request(source, "tflite", "none", tmp_path / "app"))
    padded = tiny_student.save(tmp_path / "padded", fit="pad", shorter_side=32)
    with pytest.raises(UserError, match=r"grey borders \(config.fit=pad\), but the app crops"):
        android_app.write(Request(padded, "tflite", "none", tmp_path / "other"))
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_hand_off_becomes_a_project_with_its_file(resnet, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    handoff.save(tmp_path / "student", resnet.variables, resnet.card)
    report = android_app.write(Request(tmp_path / "student", "tflite", "none", tmp_path / "app"))
    assert report.output == tmp_path / "app" / "app" / "src" / "main" / "assets" / "student.tflite"
    assert report.comparison.agreement == 1
    card = model_card.read(tmp_path / "app" / "model.json")
    runner = tflite_runner.load(report.output, card)
    expected = resnet.runner.run(resnet.images)
    np.testing.assert_allclose(runner.run(resnet.images).activation, expected.activation, rtol=1e-3, atol=1e-3)
    written = {path.relative_to(tmp_path / "app") for path in (tmp_path / "app").rglob("*") if path.is_file()}
    assert {path.relative_to(SOURCES) for path in SOURCES.rglob("*") if path.is_file()} <= written
