"""The command, in a process of its own."""

import pytest

from tests.commands import command, last_line
from tests.data.test_image_folder import make_classes

SMALL = (
    "--config.image_size=32",
    "--config.batch_size=8",
    "--config.student.model=resnet_tiny",
    "--config.student.init=random",
    "--config.teachers.teacher.model=resnet_tiny",
    "--config.teachers.teacher.init=random",
)


@pytest.mark.slow
def test_a_folder_is_looked_at_and_a_refusal_is_training_s_own_line(tmp_path):
    photos, store, page = make_classes(tmp_path / "photos", a=12, b=12), str(tmp_path / "tfds"), tmp_path / "p.html"
    result = command("check", str(photos), *SMALL, f"--output={page}", fresh=True, TFDS_DATA_DIR=store)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("24 photos of 2 classes\n")
    assert result.stdout.endswith(f"page: {page}\n")
    assert page.is_file()
    for number in range(7):
        (photos / "b" / f"{number:03d}.jpg").write_bytes(b"no photo")
        (photos / "a" / f"{number:03d}.jpg").write_bytes(b"no photo")
    refused = command("check", str(photos), *SMALL, f"--output={page}", TFDS_DATA_DIR=store)
    flags = ["--config=image_folder", f"--config.dataset.data_dir={photos}", *SMALL, f"--workdir={tmp_path / 'run'}"]
    trained = command("main", *flags, TFDS_DATA_DIR=store)
    assert refused.returncode == trained.returncode == 2
    assert last_line(refused) == last_line(trained)
    assert "14 of the 24 photos in train" in last_line(refused)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: name the folder of your photos: python -m jdnet_jax.check PHOTOS"),
        (["a", "b"], "error: unexpected argument 'b': the folder of photos comes first, then options"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(arguments, message):
    result = command("check", *arguments)
    assert result.returncode == 2
    assert last_line(result) == message
