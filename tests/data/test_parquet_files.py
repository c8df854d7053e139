import pytest

from jdnet_jax.data import parquet_files
from jdnet_jax.process.errors import UserError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes files in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return make


def found(data_dir):
    return {split: [str(file) for file in files] for split, files in parquet_files.find(data_dir).splits.items()}


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("d/train-00000-of-00003.parquet", "d/validation-00000-of-00001.parquet", "d/test-00000-of-00001.parquet"),
        ("d/data/train-00000-of-00003-0a1b2c.parquet", "d/data/val-0.parquet", "d/data/test-0.parquet"),
        ("d/default/train/0000.parquet", "d/default/validation/0000.parquet", "d/default/test/0000.parquet"),
        ("d/default/partial-train/0000.parquet", "d/default/dev/0000.parquet", "d/default/test/0000.parquet"),
        ("d/train.parquet", "d/val.parquet", "d/eval.parquet"),
        ("d/food101_training.parquet", "d/food101_valid.parquet", "d/food101_TESTING.parquet"),
        ("d/train/trainable.parquet", "d/val/retest.parquet", "d/test/a.parquet"),
    ],
)
def test_layouts(made, train, validation, test):
    made(train, validation, test, "d/README.md", "d/.cache/huggingface/train-0.parquet")
    assert found("d") == {"train": [train], "validation": [validation], "test": [test]}
    assert not parquet_files.find("d").others


def test_files_of_a_split_are_in_the_order_of_their_names(made):
    made(*(f"d/train-0000{number}-of-00003.parquet" for number in (2, 0, 1)))
    assert found("d") == {"train": [f"d/train-0000{number}-of-00003.parquet" for number in range(3)]}


def test_a_file_and_files_that_tell_no_split_are_train_s(made):
    made("d/0000.parquet", "d/0001.parquet")
    assert found("d/0000.parquet") == {"train": ["d/0000.parquet"]}
    assert found("d") == {"train": ["d/0000.parquet", "d/0001.parquet"]}


def test_files_of_no_split_beside_others_are_told(made):
    made("d/train-0.parquet", "d/unsupervised-0.parquet")
    assert [file.name for file in parquet_files.find("d").others] == ["unsupervised-0.parquet"]


def test_the_name_of_the_folder_itself_tells_nothing(made):
    made("test/a.parquet")
    assert found("test") == {"train": ["test/a.parquet"]}


def test_globs(made):
    made("d/train-0.parquet", "d/train-1.parquet", "d/test-0.parquet", "e/test/0000.parquet")
    assert found("d/train-*.parquet, e/**/*.parquet") == {
        "train": ["d/train-0.parquet", "d/train-1.parquet"],
        "test": ["e/test/0000.parquet"],
    }


def test_a_folder_whose_name_looks_like_a_glob(made):
    made("a[1],b/train-0.parquet")
    assert found("a[1],b") == {"train": ["a[1],b/train-0.parquet"]}


@pytest.mark.parametrize(
    ("files", "data_dir", "message"),
    [
        ([], "", "dataset.data_dir is empty: name a Parquet file, a folder of them"),
        ([], "nowhere", "'nowhere' is neither a file nor a folder, nor a glob of files"),
        (["d/a.jpg"], "d", "'d' holds no file that ends in .parquet"),
        (["d/test-0.parquet"], "d", "'d' has no file with train in its name; it has test-0.parquet"),
        (["d/train_test.parquet"], "d", "the name train_test of d/train_test.parquet names two splits, test and train"),
        (["d/x/train-0.parquet", "d/y/train-0.parquet"], "d", "holds several data sets, in the folders x, y: name one"),
        (["d/train-0.parquet", "d/y/train/0.parquet"], "d", "holds several data sets, in the folders ., y: name one"),
    ],
)
def test_what_cannot_be_meant(made, files, data_dir, message):
    made(*files)
    with pytest.raises(UserError) as error:
        parquet_files.find(data_dir)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
