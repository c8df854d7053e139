import shutil
import zipfile

import pytest

from jdnet_jax.data.file_tree import open_tree
from jdnet_jax.data.uec_food import listing
from jdnet_jax.data.uec_food.listing import Box, Photo
from jdnet_jax.process.errors import UserError
from tests.data.uec_food.tree import BOX, numbers, pack, write_lines


def photos_of(path):
    return listing.open_photos(path, 100)


class TestPhotos:
    def test_listing(self, made):
        found = photos_of(made)
        assert found.class_names == tuple(f"food {c}" for c in range(1, 101))
        assert found.sizes.keys() == {Photo(c - 1, number) for c in range(1, 101) for number in numbers(c)}
        path = made / "UECFOOD100" / "7" / f"{numbers(7)[0]}.jpg"
        assert found.sizes[Photo(6, numbers(7)[0])] == path.stat().st_size
        assert found.of_several_foods == 2
        assert str(Photo(6, 25)) == "7/25.jpg"

    def test_where_it_may_lie(self, tree):
        expected = photos_of(tree / "UECFOOD100").sizes
        assert photos_of(tree).sizes == expected
        nested = tree.parent / "nested" / "dataset100"
        nested.mkdir(parents=True)
        shutil.move(tree / "UECFOOD100", nested)
        assert photos_of(nested.parent).sizes == expected
        renamed = shutil.move(nested / "UECFOOD100", tree / "food")
        assert photos_of(renamed).sizes == expected
        archive = pack(tree, tree / "food.zip", "food/")
        with pytest.raises(UserError, match=r"food.zip' is not UECFood-100"):  # it must be named as in the original
            photos_of(archive)

    def test_other_sets_beside_it_do_not_disturb(self, tree):
        (tree / "UECFOOD256").mkdir()
        write_lines(tree / "UECFOOD256" / "category.txt", ["id\tname"])
        assert len(photos_of(tree).class_names) == 100

    def test_other_files_are_no_photos(self, tree):
        expected = photos_of(tree).sizes
        for name in ("1/._1.jpg", "1/notes.jpg", "101/1.jpg", "0/1.jpg", "1/deep/1.jpg", "extra/1.jpg"):
            path = tree / "UECFOOD100" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
        assert photos_of(tree).sizes == expected

    def test_names_that_occur_twice_get_their_number(self, tree):
        path = tree / "UECFOOD100" / "category.txt"
        path.write_text(path.read_text().replace("food 40\n", "omelet\n").replace("food 67\n", "omelet \n"))
        names = photos_of(tree).class_names
        assert (names[39], names[40], names[66]) == ("omelet (40)", "food 41", "omelet (67)")

    def test_windows_lines_byte_order_mark_and_spaces(self, tree):
        expected = photos_of(tree)
        path = tree / "UECFOOD100" / "category.txt"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n").replace(b"\t", b" "))
        several = tree / "UECFOOD100" / "multiple_food.txt"
        several.write_bytes(several.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
        found = photos_of(tree)
        assert found.class_names == expected.class_names
        assert found.of_several_foods == 2

    def test_without_the_list_of_several_foods(self, tree):
        (tree / "UECFOOD100" / "multiple_food.txt").unlink()
        assert photos_of(tree).of_several_foods is None

    def test_not_this_dataset(self, tmp_path):
        (tmp_path / "1").mkdir()
        with pytest.raises(
            UserError, match=r"is not UECFood-100: there is no category.txt in it, nor in a folder UECF"
        ):
            photos_of(tmp_path)

    def test_missing_path(self, tmp_path):
        with pytest.raises(
            UserError, match=r"nowhere cannot be opened \(No such file or directory\); name a folder or"
        ):
            photos_of(tmp_path / "nowhere")

    def test_the_other_set(self, made):
        with pytest.raises(UserError, match=r"category.txt must number the classes 1 to 256; it has 100 .* another"):
            listing.open_photos(made / "UECFOOD100", 256)

    @pytest.mark.parametrize(("line", "message"), [("x\tfood", "got 'x\\\\tfood'"), ("5", "got '5'")])
    def test_malformed_class(self, tree, line, message):
        write_lines(tree / "UECFOOD100" / "category.txt", ["id\tname", "1\tfood", line])
        with pytest.raises(UserError, match=rf"category.txt, line 3: expected 'id<TAB>name', {message}"):
            photos_of(tree)

    def test_class_folders_without_photos(self, tree):
        for c in (3, 14):
            shutil.rmtree(tree / "UECFOOD100" / str(c))
        with pytest.raises(UserError, match=r"UECFOOD100 has no photos in 2 of its class folders \(3, 14\); unpack"):
            photos_of(tree)

    def test_cut_off_archive(self, tree):
        archive = pack(tree, tree / "dataset100.zip", "UECFOOD100")
        archive.write_bytes(archive.read_bytes()[:-1000])
        with pytest.raises(
            UserError,
            match=r"dataset100.zip is neither a folder nor a complete zip archive; delete it",
        ):
            photos_of(archive)


class TestLists:
    def lists(self, tree):
        return listing.read_lists(listing.find_lists(tree, 100), 100)

    def test_lists(self, made):
        lists = self.lists(made)
        assert lists[0] == {Photo(c - 1, numbers(c)[0]) for c in range(1, 101)}
        assert [len(photos) for photos in lists] == [100, 100, 33, 34, 33]
        assert len(photos_of(made).sizes) == 400  # the lists do not cover the files

    def test_windows_lines_blank_lines_and_repetitions(self, tree):
        expected = self.lists(tree)
        for path in (tree / "uecfood100_split").iterdir():
            first = path.read_bytes().splitlines()[0]
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n" + first)
        assert self.lists(tree) == expected

    @pytest.mark.parametrize("place", [".", "UECFOOD100", "UECFOOD100/uecfood_split", "uecfood_split", ".."])
    def test_where_they_may_lie(self, tree, place):
        expected = self.lists(tree)
        (tree / place).mkdir(exist_ok=True)
        if place != ".":
            shutil.move(tree / "uecfood100_split", tree / place)
        assert self.lists(tree) == expected
        if place != "..":  # above the folder that contains the photos
            assert listing.read_lists(listing.find_lists(tree / "UECFOOD100", 100), 100) == expected

    @pytest.mark.parametrize("above", ["", "uecfood_split/"])
    def test_archive_beside_the_photos(self, tree, above):
        expected = self.lists(tree)
        with zipfile.ZipFile(tree / "uecfood_split.zip", "w") as archive:
            for path in (tree / "uecfood100_split").iterdir():
                archive.write(path, f"{above}uecfood100_split/{path.name}")
        shutil.rmtree(tree / "uecfood100_split")
        assert self.lists(tree) == expected
        assert listing.read_lists(listing.find_lists(tree / "UECFOOD100", 100), 100) == expected
        packed = pack(tree, tree / "dataset100.zip", "UECFOOD100")
        assert listing.read_lists(listing.find_lists(packed, 100), 100) == expected
        with pytest.raises(UserError, match=r"uecfood_split.zip holds no uecfood256_split/val0.txt"):
            listing.find_lists(tree, 256)

    def test_not_there(self, tree):
        shutil.rmtree(tree / "uecfood100_split")
        assert listing.find_lists(tree, 100) is None

    def test_missing_list(self, tree):
        (tree / "uecfood100_split" / "val3.txt").unlink()
        with pytest.raises(UserError, match=r"uecfood100_split lacks val3.txt"):
            self.lists(tree)

    def test_empty_list(self, tree):
        (tree / "uecfood100_split" / "val3.txt").write_text("\n")
        with pytest.raises(UserError, match=r"val3.txt lists no photos"):
            self.lists(tree)

    @pytest.mark.parametrize("line", ["UECFOOD256/1/1.jpg", "UECFOOD100/101/1.jpg", "UECFOOD100/0/1.jpg", "1.jpg", "x"])
    def test_malformed_line(self, tree, line):
        write_lines(tree / "uecfood100_split" / "val2.txt", ["UECFOOD100/1/3.jpg", line])
        with pytest.raises(UserError, match=rf"val2.txt, line 2: expected 'UECFOOD100/<class>/<number>.jpg'.*{line}"):
            self.lists(tree)


class TestBoxes:
    def boxes(self, tree):
        return listing.read_boxes(open_tree(tree / "UECFOOD100"), 100)

    def test_boxes(self, tree):
        with (tree / "UECFOOD100" / "2" / "bb_info.txt").open("a") as file:
            file.write("5 -3 0 999 12\n")
        boxes = self.boxes(tree)
        assert boxes[Photo(1, 5)] == [Box(*BOX), Box(-3, 0, 999, 12)]
        assert boxes[Photo(1, 6)] == [Box(*BOX)]
        assert len(boxes) == 400

    def test_windows_lines_and_no_header(self, tree):
        expected = self.boxes(tree)
        for c, change in ((1, lambda text: text.replace(b"\n", b"\r\n")), (2, lambda text: text.split(b"\n", 1)[1])):
            path = tree / "UECFOOD100" / str(c) / "bb_info.txt"
            path.write_bytes(change(path.read_bytes()))
        assert self.boxes(tree) == expected

    def test_missing_file(self, tree):
        (tree / "UECFOOD100" / "9" / "bb_info.txt").unlink()
        with pytest.raises(UserError, match=r"UECFOOD100 lacks 9/bb_info.txt"):
            self.boxes(tree)

    @pytest.mark.parametrize("row", ["1 2 3 4", "1 2 3 4 5 6", "1 a 3 4 5", "1 2 3 4 5.5"])
    def test_malformed_row(self, tree, row):
        write_lines(tree / "UECFOOD100" / "9" / "bb_info.txt", ["img x1 y1 x2 y2", row])
        with pytest.raises(UserError, match=rf"9/bb_info.txt, line 2: expected 'img x1 y1 x2 y2' in .*'{row}'"):
            self.boxes(tree)


class TestDigest:
    def digest(self, path):
        return listing.digest(photos_of(path), listing.find_lists(path, 100))

    def test_of_a_copy_packed_or_not(self, made, tree):
        expected = self.digest(made)
        assert self.digest(tree) == self.digest(tree / "UECFOOD100") == expected
        assert self.digest(pack(tree, tree / "dataset100.zip", "UECFOOD100")) == expected

    @pytest.mark.parametrize(
        "name",
        [
            "UECFOOD100/1/1.jpg",
            "UECFOOD100/1/bb_info.txt",
            "UECFOOD100/category.txt",
            "UECFOOD100/multiple_food.txt",
            "uecfood100_split/val4.txt",
        ],
    )
    def test_of_changed_files(self, made, tree, name):
        with (tree / name).open("a") as file:
            file.write("9 9 9 9 9\n" if "bb_info" in name else "UECFOOD100/1/4.jpg\n" if "val4" in name else "9 9\n")
        assert self.digest(tree) != self.digest(made)

    def test_of_a_photo_that_is_gone(self, made, tree):
        (tree / "UECFOOD100" / "1" / "1.jpg").unlink()
        assert self.digest(tree) != self.digest(made)

    def test_without_lists(self, made, tree):
        shutil.rmtree(tree / "uecfood100_split")
        assert self.digest(tree) != self.digest(made)
