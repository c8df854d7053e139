"""The photos that the results with few photos are of."""

from tests.benchmarks import eight_foods


def test_the_classes_with_the_most_photos_and_no_photo_twice(tmp_path):
    """Class 8 is left out: it has as many photos as class 3, and the larger id."""
    dataset = tmp_path / "dataset"
    counts = {number: 40 - number for number in range(9)} | {3: 30, 8: 30}
    names = [f"food-{number}" for number in counts]
    rows = [f"{name},{number}" for number, name in enumerate(names)]
    dataset.mkdir()
    (dataset / "classes.csv").write_text("\n".join(["name,id", *rows]))
    for split, of in (("train", counts), ("test", dict.fromkeys(counts, 6))):
        paths = [(f"{split}/{number}_{photo:03}.jpg", number) for number in of for photo in range(of[number])]
        (dataset / split).mkdir()
        for path, _ in paths:
            (dataset / path).write_text(path)
        (dataset / f"{split}.txt").write_text("\n".join(f"{path}, {number}, 0" for path, number in paths))
    assert eight_foods.copy(dataset, tmp_path / "new") == [f"food-{number}" for number in range(8)]
    for folder, split, count in (("photos", "train", 25), ("other", "test", 4)):
        for place in (tmp_path / "new" / folder).iterdir():
            read = [file.read_text() for file in place.iterdir()]
            assert len(set(read)) == count
            assert all(path.startswith(f"{split}/{place.name.removeprefix('food-')}_") for path in read)
