"""The photos of the trial of `image_folder` on real dishes."""

import pytest

from tests.benchmarks import dishes
from tests.data.test_parquet import write


@pytest.fixture
def food101(tmp_path):
    """Two photos more of each class than are drawn, whose bytes say what they are."""
    names = [f"dish-{number}" for number in range(dishes.CLASSES + 3)]
    for split, count in (("train", dishes.TRAIN + dishes.VAL + 2), ("test", 3)):
        labels = [label for _ in range(count) for label in range(len(names))]
        contents = [f"{split} {names[label]} {number}".encode() for number, label in enumerate(labels)]
        write(tmp_path / f"{split}-00000-of-00001.parquet", labels, contents, as_struct=True, names=names)
    return tmp_path, names


def test_few_photos_of_some_classes_and_all_of_their_test(food101, tmp_path):
    folder, names = food101
    chosen = dishes.copy(folder, tmp_path / "new")
    assert len(chosen) == dishes.CLASSES
    assert set(chosen) < set(names)
    assert chosen == sorted(chosen, key=names.index)
    counts = {"train": dishes.TRAIN, "val": dishes.VAL, "test": 3}
    read = {}
    for split, count in counts.items():
        assert sorted(place.name for place in (tmp_path / "new" / split).iterdir()) == sorted(chosen)
        for place in (tmp_path / "new" / split).iterdir():
            read[split, place.name] = {file.read_bytes() for file in place.iterdir()}
            assert len(read[split, place.name]) == count
            origin = f"{'test' if split == 'test' else 'train'} {place.name} ".encode()
            assert all(content.startswith(origin) for content in read[split, place.name])
    assert not any(read["train", name] & read["val", name] for name in chosen)
    assert dishes.copy(folder, tmp_path / "again") == chosen
