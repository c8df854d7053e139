import pytest

from jdnet_jax.data import folder_listing, label_list
from jdnet_jax.process.errors import UserError
from tests.data.test_folder_walk import touch


def classes(listing):
    return {photo.path: photo.class_name for photos in listing.photos.values() for photo in photos}


def read(folder, text, name="list.csv", encoding="utf-8"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return label_list.read([folder / name])


class TestOneList:
    @pytest.mark.parametrize(
        "text",
        [
            "filename,class\na.jpg,red apple\nb.jpg,pear\n",
            "filename, class\r\na.jpg, red apple\r\nb.jpg, pear\r\n",
            "Filename;Class\na.jpg;red  apple\nb.jpg;pear\n\n",
            "label\timage\nred apple\ta.jpg\npear\tb.jpg\n",
            "id,breed,label\na,1,red apple\nb,2,pear\n",
            "filename,width,height,class,xmin\na.jpg,8,8,red apple,1\na.jpg,8,8,red apple,5\nb.jpg,8,8,pear,1\n",
            "filename, red apple, pear\na.jpg, 1, 0\nb.jpg, 0, 1\n",
            'filename,class\n"a.jpg","red apple"\n"./b.jpg",pear',
            "path,class\ntrain/a.jpg,red apple\ntrain\\b.jpg,pear",
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_layouts(self, tmp_path, text, encoding):
        found = read(tmp_path / "train", text, encoding=encoding)
        folder = tmp_path / "train"
        assert found.class_of(folder / "a.jpg", folder) == "red apple"
        assert found.class_of(folder / "b.jpg", folder) == "pear"
        assert found.class_of(folder / "c.jpg", folder) is None
        assert found.not_asked_for() == []

    @pytest.mark.parametrize("text", ["", "\n", "name,price\napple,3\n", "filename\na.jpg\n", "file,weight\na.jpg,3\n"])
    def test_other_tables_are_none(self, tmp_path, text):
        assert not read(tmp_path, text)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("filename,class\na.jpg,apple\na.jpg,pear\n", r"row 3: a.jpg is in the classes apple and pear"),
            ("filename,class\na.jpg,\n", "a row without a name or a class"),
            ("filename,class\na.jpg\n", "a row of 1 columns where 2 are named"),
            ("filename,apple,pear\na.jpg,1,1\n", "a.jpg is in 2 classes; each photo must be in one"),
            ("filename,apple,pear\na.jpg,0,0\n", "a.jpg is in 0 classes"),
        ],
    )
    def test_malformed_rows(self, tmp_path, text, message):
        with pytest.raises(UserError, match=rf"list.csv.*{message}"):
            read(tmp_path, text)


class TestExport:
    """Folders train, valid and test that hold photos directly."""

    @pytest.fixture
    def export(self, tmp_path):
        return touch(tmp_path, *(f"{split}/{n}.jpg" for split in ("train", "valid", "test") for n in "abc"))

    def test_a_list_in_each_folder(self, export):
        for split in ("train", "valid", "test"):
            (export / split / "_classes.csv").write_text("filename, class\na.jpg, apple\nb.jpg, pear\ngone.jpg, pear\n")
        listing = folder_listing.read_listing(export)
        assert list(listing.photos) == ["train", "val", "test"]
        assert listing.class_names == ("apple", "pear")
        assert classes(listing) == {
            f"{split}/{name}": of
            for split in ("train", "valid", "test")
            for name, of in (("a.jpg", "apple"), ("b.jpg", "pear"))
        }
        assert {"train/c.jpg", "train/_classes.csv", "gone.jpg (listed, but not there)"} <= set(listing.others)

    @pytest.mark.parametrize("folder", ["{0}/", ""])
    def test_lists_beside_the_folders(self, export, folder):
        for split in ("train", "valid", "test"):
            rows = "".join(f"{folder.format(split)}{name},{of}\n" for name, of in zip("abc", "xyx", strict=True))
            (export / f"{split}.csv").write_text("id,label\n" + rows)
        listing = folder_listing.read_listing(export)
        assert {path.partition("/")[2]: of for path, of in classes(listing).items()} == {
            "a.jpg": "x",
            "b.jpg": "y",
            "c.jpg": "x",
        }
        assert len(classes(listing)) == 9
        assert listing.others == ("test.csv", "train.csv", "valid.csv")

    def test_a_list_named_like_a_split_is_of_that_alone(self, export):
        for split, of in (("train", "xyx"), ("valid", "yxy"), ("test", "xxx")):
            rows = "".join(f"{name},{label}\n" for name, label in zip("abc", of, strict=True))
            (export / f"{split}_labels.csv").write_text("id,label\n" + rows)
        listing = folder_listing.read_listing(export)
        found = {split: "".join(photo.class_name for photo in photos) for split, photos in listing.photos.items()}
        assert found == {"train": "xyx", "val": "yxy", "test": "xxx"}

    @pytest.mark.parametrize("names", [("train", "valid", "test"), ("Train", "test"), ("training", "evaluation")])
    def test_without_a_list_they_are_refused(self, tmp_path, names):
        touch(tmp_path, *(f"{name}/{n}.jpg" for name in names for n in "abc"), "README.md", "licence/LICENCE")
        with pytest.raises(UserError, match=r"holds photos and no list of their classes: put the photos of each class"):
            folder_listing.read_listing(tmp_path)

    def test_without_train(self, tmp_path):
        touch(tmp_path, "valid/1.jpg", "test/1.jpg")
        with pytest.raises(UserError, match="has test, val with photos inside, but no folder train"):
            folder_listing.read_listing(tmp_path)

    def test_sets_of_folders(self, tmp_path):
        touch(tmp_path, *(f"{part}_set/{name}/1.jpg" for part in ("training", "test") for name in ("cat", "dog")))
        listing = folder_listing.read_listing(tmp_path)
        assert (list(listing.photos), listing.class_names) == (["train", "test"], ("cat", "dog"))

    def test_one_folder_with_a_list(self, tmp_path):
        touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
        (tmp_path / "labels.csv").write_text("filename,class\na.jpg,apple\nb.jpg,pear\n../c.jpg,pear\n")
        listing = folder_listing.read_listing(tmp_path)
        assert classes(listing) == {"a.jpg": "apple", "b.jpg": "pear"}
        assert listing.others == ("../c.jpg (listed, but not there)", "c.jpg", "labels.csv")

    def test_a_table_beside_classes_is_no_list(self, tmp_path):
        touch(tmp_path, "apple/1.jpg", "pear/2.jpg", "stray.jpg")
        (tmp_path / "labels.csv").write_text("filename,class\nstray.jpg,fig\n")
        assert folder_listing.read_listing(tmp_path).class_names == ("apple", "pear")
