import io
import zipfile

import flatbuffers
import pytest
from flatbuffers import encode, number_types
from flatbuffers.table import Table

from jdnet_jax.export import tflite_metadata
from tests import tiny_student


class Reader:
    """A table of a flatbuffer, whose fields are read by their places in the schema."""

    def __init__(self, content, position):
        self.table = Table(content, position)

    def _at(self, place):
        offset = self.table.Offset(4 + 2 * place)
        assert offset, f"field {place} is not set"
        return offset + self.table.Pos

    def text(self, place):
        return self.table.String(self._at(place)).decode()

    def number(self, place, kind):
        return self.table.Get(kind, self._at(place))

    def child(self, place):
        return Reader(self.table.Bytes, self.table.Indirect(self._at(place)))

    def _vector(self, place):
        offset = self.table.Offset(4 + 2 * place)
        start = self.table.Vector(offset)
        return [start + 4 * i for i in range(self.table.VectorLen(offset))]

    def children(self, place):
        return [Reader(self.table.Bytes, self.table.Indirect(position)) for position in self._vector(place)]

    def texts(self, place):
        return [self.table.String(position).decode() for position in self._vector(place)]

    def floats(self, place):
        return [self.table.Get(number_types.Float32Flags, position) for position in self._vector(place)]


@pytest.fixture(scope="module")
def root():
    content = tflite_metadata.metadata(
        tiny_student.card(temperature=1.5), "Somebody", "CC0", ["probabilities", "activation"]
    )
    assert flatbuffers.util.BufferHasIdentifier(content, 0, b"M001")
    return Reader(content, encode.Get(flatbuffers.packer.uoffset, content, 0))


def test_the_model_has_name_author_and_licence(root):
    assert (root.text(0), root.text(4), root.text(5), root.text(7)) == ("resnet_tiny", "Somebody", "CC0", "1.0.0")
    assert "7 classes" in root.text(1)


def test_the_input_is_an_rgb_image_that_needs_no_normalisation(root):
    (graph,) = root.children(3)
    (image,) = graph.children(2)
    assert image.text(0) == "image"
    assert "shorter side resized to 36 pixels and the central 32 x 32" in image.text(1)
    assert "mean (123.675, 116.28, 103.53) is subtracted" in image.text(1)
    assert image.texts(2) == ["batch", "height", "width", "channel"]
    content = image.child(3)
    assert content.number(0, number_types.Uint8Flags) == 2  # ImageProperties
    properties = content.child(1)
    assert properties.number(0, number_types.Int8Flags) == 1  # RGB
    size = properties.child(1)
    assert [size.number(i, number_types.Uint32Flags) for i in (0, 1)] == [32, 32]
    (unit,) = image.children(4)
    assert unit.number(0, number_types.Uint8Flags) == 1  # NormalizationOptions
    assert (unit.child(1).floats(0), unit.child(1).floats(1)) == ([0.0], [1.0])
    assert (image.child(5).floats(0), image.child(5).floats(1)) == ([255.0], [0.0])


def test_the_outputs_are_labelled(root):
    probabilities, activation = root.children(3)[0].children(3)
    assert (probabilities.text(0), activation.text(0)) == ("probabilities", "activation")
    assert "temperature 1.5" in probabilities.text(1)
    (labels,) = probabilities.children(6)
    assert labels.text(0) == tflite_metadata.LABELS
    assert labels.number(2, number_types.Int8Flags) == 2  # TENSOR_AXIS_LABELS
    assert activation.texts(2) == ["batch", "height", "width", "channel"]
    assert activation.child(3).number(0, number_types.Uint8Flags) == 1  # FeatureProperties


def test_a_class_is_one_line_of_the_labels_whatever_is_in_its_name():
    classes = ["soup\nwith noodles", "tea\r", "a\u2028b", "\x1b[31mrice", "Käse 🍣"]
    with zipfile.ZipFile(io.BytesIO(tflite_metadata.append_labels(b"TFL3", classes))) as archive:
        labels = archive.read(tflite_metadata.LABELS).decode()
    assert labels.splitlines() == [r"soup\nwith noodles", r"tea\r", r"a\u2028b", r"\x1b[31mrice", "Käse 🍣"]


def test_probabilities_alone():
    content = tflite_metadata.metadata(tiny_student.card(), "", "", ["probabilities"])
    found = Reader(content, encode.Get(flatbuffers.packer.uoffset, content, 0))
    (only,) = found.children(3)[0].children(3)
    assert only.text(0) == "probabilities"
