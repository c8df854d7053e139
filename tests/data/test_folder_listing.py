import os
import shutil
import unicodedata

import pytest

from jdnet_jax.data import folder_listing
from jdnet_jax.process.errors import UserError


def touch(root, *paths):
    """Files with their own path as content: the listing opens none of them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def paths(listing, split="train"):
    return [photo.path for photo in listing.photos[split]]


class TestOneFolder:
    def test_its_folders_are_the_classes(self, tmp_path):
        touch(tmp_path, "pear/b.jpg", "pear/a.PNG", "apple/1.webp", "apple/2.jpeg", "apple/3.gif", "apple/4.bmp")
        listing = folder_listing.read_listing(tmp_path)
        assert listing.class_names == ("apple", "pear")
        assert list(listing.photos) == ["train"]
        assert paths(listing) == [
            "apple/1.webp",
            "apple/2.jpeg",
            "apple/3.gif",
            "apple/4.bmp",
            "pear/a.PNG",
            "pear/b.jpg",
        ]
        assert {photo.class_name for photo in listing.photos["train"][:4]} == {"apple"}
        assert listing.photos["train"][0].file == tmp_path / "apple" / "1.webp"

    def test_photos_of_deeper_folders_belong_to_the_class(self, tmp_path):
        touch(tmp_path, "apple/monday/cam1/1.jpg", "apple/2.jpg", "pear/3.jpg")
        listing = folder_listing.read_listing(tmp_path)
        assert paths(listing) == ["apple/2.jpg", "apple/monday/cam1/1.jpg", "pear/3.jpg"]
        assert listing.class_names == ("apple", "pear")

    def test_what_is_no_photo_is_told(self, tmp_path):
        touch(tmp_path, "README.md", "stray.jpg", "apple/1.jpg", "apple/notes.txt", "pear/2.jpg")
        (tmp_path / "plum" / "inside").mkdir(parents=True)
        touch(tmp_path, "fig/list.csv")
        listing = folder_listing.read_listing(tmp_path)
        assert listing.others == ("README.md", "apple/notes.txt", "fig/list.csv", "stray.jpg")
        assert listing.empty == ("fig", "plum")
        assert listing.class_names == ("apple", "pear")

    def test_clutter_is_not(self, tmp_path):
        touch(tmp_path, "apple/1.jpg", "apple/.DS_Store", "apple/Thumbs.db", "pear/2.jpg", "pear/._2.jpg", ".git/x.jpg")
        touch(tmp_path, "__MACOSX/apple/1.jpg", "pear/desktop.ini")
        listing = folder_listing.read_listing(tmp_path)
        assert paths(listing) == ["apple/1.jpg", "pear/2.jpg"]
        assert listing.others == listing.empty == ()

    def test_formats_that_cannot_be_read_are_photos_all_the_same(self, tmp_path):
        listing = folder_listing.read_listing(touch(tmp_path, "apple/1.HEIC", "apple/2.tif", "pear/3.avif"))
        assert len(listing.photos["train"]) == 3

    def test_class_folders_may_be_links(self, tmp_path):
        touch(tmp_path, "elsewhere/apple/1.jpg", "root/pear/2.jpg")
        (tmp_path / "root" / "apple").symlink_to(tmp_path / "elsewhere" / "apple", target_is_directory=True)
        (tmp_path / "root" / "pear" / "round").symlink_to(tmp_path / "root", target_is_directory=True)
        assert paths(folder_listing.read_listing(tmp_path / "root")) == ["apple/1.jpg", "pear/2.jpg"]

    def test_a_class_may_be_called_train(self, tmp_path):
        listing = folder_listing.read_listing(touch(tmp_path, "train/1.jpg", "bus/2.jpg", "tram/3.jpg"))
        assert listing.class_names == ("bus", "train", "tram")


class TestNames:
    def test_unicode_and_blanks(self, tmp_path):
        touch(tmp_path, "crème brûlée/mein Foto (1).jpg", "寿司/写真.jpg", " two  blanks /1.jpg")
        listing = folder_listing.read_listing(tmp_path)
        assert listing.class_names == ("crème brûlée", "two blanks", "寿司")
        assert "crème brûlée/mein Foto (1).jpg" in paths(listing)

    def test_are_the_same_on_every_machine(self, tmp_path):
        """macOS takes accents apart."""
        apart = unicodedata.normalize("NFD", "crème")
        assert apart != "crème"
        one = folder_listing.read_listing(touch(tmp_path / "one", f"{apart}/{apart}.jpg", "b/1.jpg"))
        other = folder_listing.read_listing(touch(tmp_path / "other", "crème/crème.jpg", "b/1.jpg"))
        assert paths(one) == paths(other)
        assert one.class_names == other.class_names

    def test_bytes_that_are_no_unicode(self, tmp_path):
        (tmp_path / "apple").mkdir()
        with open(os.fsencode(tmp_path) + b"/apple/caf\xe9.jpg", "wb"):
            pass
        listing = folder_listing.read_listing(touch(tmp_path, "pear/1.jpg"))
        assert paths(listing) == ["apple/caf\N{REPLACEMENT CHARACTER}.jpg", "pear/1.jpg"]

    def test_classes_that_cannot_be_told_apart(self, tmp_path):
        with pytest.raises(UserError, match=r"red  apple and \S*red apple have the same class name"):
            folder_listing.read_listing(touch(tmp_path, "red apple/1.jpg", "red  apple/2.jpg"))

    def test_files_that_cannot_be_told_apart(self, tmp_path):
        touch(tmp_path, "a/é.jpg", f"a/{unicodedata.normalize('NFD', 'é')}.jpg", "b/1.jpg")
        with pytest.raises(UserError, match=r"two files have the name a/é.jpg, apart from"):
            folder_listing.read_listing(tmp_path)


class TestDividedAlready:
    def test_each_folder_is_a_split(self, tmp_path):
        touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "test/b/4.jpg", "labels.txt", "val/x.txt")
        listing = folder_listing.read_listing(tmp_path)
        assert {split: paths(listing, split) for split in listing.photos} == {
            "train": ["train/a/1.jpg", "train/b/2.jpg"],
            "val": ["val/a/3.jpg"],
            "test": ["test/b/4.jpg"],
        }
        assert listing.class_names == ("a", "b")
        assert listing.others == ("labels.txt", "val/x.txt")

    @pytest.mark.parametrize("names", [("Train", "Validation"), ("training", "valid"), ("TRAIN", "Val")])
    def test_usual_names(self, tmp_path, names):
        train, val = names
        listing = folder_listing.read_listing(touch(tmp_path, f"{train}/a/1.jpg", f"{train}/b/2.jpg", f"{val}/a/3.jpg"))
        assert list(listing.photos) == ["train", "val"]

    def test_an_empty_split_is_missing(self, tmp_path):
        touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg")
        (tmp_path / "test").mkdir()
        assert list(folder_listing.read_listing(tmp_path).photos) == ["train"]

    def test_a_class_that_cannot_be_learned(self, tmp_path):
        touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/c/4.jpg", "val/d/5.jpg")
        (tmp_path / "train" / "c").mkdir()
        with pytest.raises(UserError, match=r"val has photos of c, d, of which \S*train has none"):
            folder_listing.read_listing(tmp_path)

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            (("test/a/1.jpg", "val/b/2.jpg"), "has test, val with folders inside, but no folder train"),
            (("train/a/1.jpg", "train/b/2.jpg", "cars/3.jpg"), "has cars beside train"),
            (("train/a/1.jpg", "train/b/2.jpg", "test/3.jpg"), "has test beside train"),
            (("train/a/1.jpg", "val/a/2.jpg", "valid/a/3.jpg"), "has val, valid, which all mean val: keep one"),
        ],
    )
    def test_neither_one_layout_nor_the_other(self, tmp_path, files, message):
        with pytest.raises(UserError, match=message):
            folder_listing.read_listing(touch(tmp_path, *files))


class TestBadFolders:
    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match=r"dataset.data_dir='\S*none' is not a folder"):
            folder_listing.read_listing(tmp_path / "none")

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ((), r"has photos of 0 classes \(none\)"),
            (("1.jpg", "2.jpg"), r"has photos of 0 classes \(none\)"),
            (("photos/apple/1.jpg", "photos/pear/2.jpg"), r"has photos of 1 classes \(photos\)"),
        ],
    )
    def test_fewer_than_two_classes(self, tmp_path, files, message):
        with pytest.raises(UserError, match=message):
            folder_listing.read_listing(touch(tmp_path, *files))

    def test_a_folder_that_must_not_be_listed(self, tmp_path, monkeypatch):
        touch(tmp_path, "a/1.jpg", "b/2.jpg")
        iterdir = type(tmp_path).iterdir

        def refuse(folder):
            if folder.name == "b":
                raise PermissionError(13, "Permission denied", str(folder))
            return iterdir(folder)

        monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
        with pytest.raises(UserError, match=r"the folder \S*b cannot be listed \(Permission denied\)"):
            folder_listing.read_listing(tmp_path)


class TestDigest:
    @pytest.fixture
    def root(self, tmp_path):
        touch(tmp_path / "root", "a/1.jpg", "a/2.jpg", "b/3.jpg")
        (tmp_path / "root" / "b" / "large.bmp").write_bytes(bytes(100_000))
        return tmp_path / "root"

    def digest(self, root):
        return folder_listing.digest(folder_listing.read_listing(root))

    def test_of_a_copy_is_the_same_whenever_it_was_made(self, root, tmp_path):
        shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
        os.utime(tmp_path / "copy" / "a" / "1.jpg", (0, 0))
        assert self.digest(root) == self.digest(tmp_path / "copy")

    def test_tells_every_change(self, root):
        seen = {self.digest(root)}

        def must_differ():
            seen.add(self.digest(root))
            return len(seen)

        (root / "a" / "1.jpg").write_text("a/9.jpg")  # of the same size
        assert must_differ() == 2
        with (root / "b" / "large.bmp").open("r+b") as file:
            file.seek(50_500)  # the middle
            file.write(b"x")
        assert must_differ() == 3
        (root / "a" / "2.jpg").rename(root / "b" / "2.jpg")
        assert must_differ() == 4
        (root / "b" / "3.jpg").unlink()
        assert must_differ() == 5
        (root / "a" / "dangling.jpg").symlink_to(root / "nowhere.jpg")
        assert must_differ() == 6
        (root / "empty").mkdir()
        assert must_differ() == 7


def test_names_can_be_printed_whatever_is_in_them(tmp_path):
    root = os.fsencode(tmp_path)
    folder = os.path.join(root, b"ap\x1b[2Jple")
    os.mkdir(folder)
    with open(os.path.join(folder, b"caf\xe9\n1.jpg"), "wb") as file:
        file.write(b"x")
    touch(tmp_path, "bread/2.jpg")
    photo, _ = folder_listing.read_listing(tmp_path).photos["train"]
    assert (photo.class_name, photo.path) == (r"ap\x1b[2Jple", "ap\\x1b[2Jple/caf\ufffd\\n1.jpg")
    assert photo.file.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "test1"), "test1, train, by their names parts of a division and no classes"),
        (("train2017", "val2017"), "by their names parts of a division"),
        (("images_train", "images_test"), "by their names parts of a division"),
        (("trainA", "trainB", "testA", "testB"), "by their names parts of a division"),
        (("train", "test", "unlabelled"), "by their names parts of a division"),
        (("train.v1/apple", "train.v1/bread", "val.v1/apple", "val.v1/bread"), "by their names parts of a division"),
        (("fold1/apple", "fold1/bread", "fold2/apple", "fold2/bread"), "fold1, fold2, by their names parts of the"),
        (("images", "masks"), "by their names photos with masks and no classes"),
        (("train/images", "train/labels"), "by their names photos with masks and no classes"),
        (("apple", "bread", "test"), "test holds photos and lies beside the folders of classes"),
    ],
)
def test_folders_that_are_no_classes_by_their_names_are_refused(tmp_path, folders, message):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.jpg").touch()
    with pytest.raises(UserError, match=message):
        folder_listing.read_listing(tmp_path)


@pytest.mark.parametrize(
    "classes", [("bus", "car", "train"), ("test1", "test2"), ("image", "text"), ("part1", "whole")]
)
def test_classes_may_be_named_alike(tmp_path, classes):
    for name in classes:
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").touch()
    assert folder_listing.read_listing(tmp_path).class_names == classes


def test_a_name_in_a_list_that_two_photos_have_is_refused(tmp_path):
    for path in ("train/0.jpg", "train/1.jpg", "val/0.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "labels.csv").write_text("filename,class\n0.jpg,apple\n1.jpg,bread\n")
    with pytest.raises(
        UserError, match=r"a list names 0\.jpg, which may be .*train/0\.jpg or .*val/0\.jpg: write their"
    ):
        folder_listing.read_listing(tmp_path)
