import numpy as np
import pytest
from PIL import Image

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.data.synthetic_meals import CLASS_NAMES
from jdnet_jax.inference import labelled_photos
from jdnet_jax.process.errors import UserError
from tests import tiny_student

CARD = tiny_student.card()


def photo(path, grey=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), grey, np.uint8)).save(path)


def test_a_folder_of_some_of_the_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_photos, "_BATCH", 2)
    for number, name in enumerate(("grape/1.png", "bread/2.png", "bread/below/3.png")):
        photo(tmp_path / name, 50 * number)
    (tmp_path / "bread" / "notes.txt").touch()
    found = labelled_photos.of_folder(tmp_path, CARD)
    assert found.source == f"{tmp_path}: 3 photos of 2 classes"
    batches = list(found.batches)
    assert [len(batch["label"]) for batch in batches] == [2, 1]
    labels = np.concatenate([batch["label"] for batch in batches])
    greys = np.concatenate([batch["image"][:, 0, 0, 0] for batch in batches])
    assert [CARD.classes[label] for label in labels] == ["bread", "bread", "grape"]
    np.testing.assert_array_equal(greys, [50, 100, 0])
    np.testing.assert_array_equal(np.concatenate([batch["index"] for batch in batches]), [0, 1, 2])


def test_only_photos_of_some_classes_keep_their_numbers(tmp_path):
    for number, name in enumerate(("bread/1.png", "corn/2.png", "grape/3.png")):
        photo(tmp_path / name, 50 * number)
    found, numbers = labelled_photos.of_classes(labelled_photos.of_folder(tmp_path, CARD), ["grape", "corn"], CARD)
    assert [CARD.classes[number] for number in numbers] == ["corn", "grape"]
    assert found.source.endswith("only photos of corn, grape")
    (batch,) = found.batches
    np.testing.assert_array_equal(batch["index"], [1, 2])
    np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], [50, 100])


def test_padding_is_of_no_class():
    batch = {"image": np.zeros((3, 32, 32, 3), np.uint8), "label": np.array([0, 1, 0]), "index": np.arange(3)}
    padded = labelled_photos.LabelledPhotos("drawn", iter([batch | {"mask": np.array([True, True, False])}]))
    found, _ = labelled_photos.of_classes(padded, [CARD.classes[0]], CARD)
    assert [rows["index"].tolist() for rows in found.batches] == [[0]]


def test_classes_that_are_not_there(tmp_path):
    photo(tmp_path / "grape" / "1.png")
    labelled = labelled_photos.of_folder(tmp_path, CARD)
    with pytest.raises(UserError, match=r"--classes: unknown class 'graep'; did you mean 'grape'\?"):
        labelled_photos.of_classes(labelled, ["graep"], CARD)
    none, _ = labelled_photos.of_classes(labelled, ["fig"], CARD)
    with pytest.raises(UserError, match="there are no photos of fig in this split or folder"):
        list(none.batches)


def test_folders_that_are_no_classes_are_named(tmp_path):
    photo(tmp_path / "grape" / "1.png")
    photo(tmp_path / "graep" / "1.png")
    with pytest.raises(UserError, match=r"has folders that are no classes of the model \(graep\); each must be named"):
        labelled_photos.of_folder(tmp_path, CARD)


def test_nothing_to_evaluate(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder"):
        labelled_photos.of_folder(tmp_path / "nowhere", CARD)
    with pytest.raises(UserError, match="has no folders of classes"):
        labelled_photos.of_folder(tmp_path, CARD)
    (tmp_path / "grape").mkdir()
    with pytest.raises(UserError, match="holds no photos"):
        labelled_photos.of_folder(tmp_path, CARD)


def test_linked_classes_and_system_folders(tmp_path):
    photo(tmp_path / "disk" / "grape" / "1.png")
    photo(tmp_path / "root" / "bread" / "2.png")
    photo(tmp_path / "root" / "bread" / "@eaDir" / "2.png")
    photo(tmp_path / "root" / "$RECYCLE.BIN" / "3.png")
    (tmp_path / "root" / "grape").symlink_to(tmp_path / "disk" / "grape")
    (tmp_path / "root" / "bread" / "more").symlink_to(tmp_path / "disk")
    assert labelled_photos.of_folder(tmp_path / "root", CARD).source.endswith("root: 3 photos of 2 classes")


def test_photos_with_a_list_of_their_classes(tmp_path):
    for name in ("a", "b", "c"):
        photo(tmp_path / f"{name}.png")
    (tmp_path / "_classes.csv").write_text("filename,class\na.png,grape\nb.png,bread\n")
    (batch,) = labelled_photos.of_folder(tmp_path, CARD).batches
    assert sorted(CARD.classes[label] for label in batch["label"]) == ["bread", "grape"]
    (tmp_path / "_classes.csv").write_text("filename,class\na.png,graep\n")
    with pytest.raises(UserError, match=r"has a list with what are no classes of the model \(graep\)"):
        labelled_photos.of_folder(tmp_path, CARD)


def test_photos_that_cannot_be_read_are_skipped_unless_they_are_many(tmp_path):
    for number in range(100):
        photo(tmp_path / "fig" / f"{number:03}.png")
    for number in range(50):
        (tmp_path / "fig" / f"{number:03}.png").write_bytes(b"no photo")
    assert sum(len(batch["label"]) for batch in labelled_photos.of_folder(tmp_path, CARD).batches) == 50
    (tmp_path / "fig" / "051.png").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"51 of the 100 photos in .* cannot be read"):
        list(labelled_photos.of_folder(tmp_path, CARD).batches)


def test_a_class_of_which_none_can_be_read(tmp_path):
    photo(tmp_path / "fig" / "1.png")
    photo(tmp_path / "grape" / "1.png")
    (tmp_path / "grape" / "1.png").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"no photo of grape in .* can be read"):
        list(labelled_photos.of_folder(tmp_path, CARD).batches)


@pytest.fixture
def small_set(small_data, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    dataset = config_lib.default().dataset
    dataset.options = {"counts": (64, 24, 41)}
    return dataset


def test_a_split_of_a_dataset_counts_each_photo_once(small_set):
    found = labelled_photos.of_dataset(small_set, "test", tiny_student.card(classes=CLASS_NAMES))
    assert "test 41 (test)" in found.source
    batches = list(found.batches)
    assert sum(batch["mask"].sum() for batch in batches) == 41
    assert batches[0]["image"].shape[1:] == (32, 32, 3)


def test_classes_that_are_not_the_models_are_named(small_set):
    with pytest.raises(UserError, match=r"the 12 labels of synthetic_meals are not the 7 classes .* only the model"):
        labelled_photos.of_dataset(small_set, "test", CARD)
    with pytest.raises(UserError, match="they are in another order"):
        labelled_photos.of_dataset(small_set, "test", tiny_student.card(classes=CLASS_NAMES[::-1]))
