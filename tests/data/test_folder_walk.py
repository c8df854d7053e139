import pytest

from jdnet_jax.data import folder_walk
from jdnet_jax.process.errors import UserError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def below(root):
    return [folder_walk.shown(file, root) for file in folder_walk.files_below(root)]


SYSTEM = [
    *("@eaDir", "#recycle", "@Recycle", "#snapshot", "@Recently-Snapshot", ".@__thumb", "@__thumb", "@tmp"),
    *("@SynoResource", "photo.jpg@SynoEAStream", "lost+found", ".Trash-1000", ".thumbnails", "__pycache__", ".git"),
    *("$RECYCLE.BIN", "RECYCLER", "Recycled", "FOUND.000", "System Volume Information", "$WinREAgent", "desktop.ini"),
    *("~snapshot", "SYNOFILE_THUMB_M.jpg", "$WINDOWS.~BT", "$Extend", "Photos Library.photoslibrary", "thumbnails"),
    *("Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "Thumbs.db:encryptable", ".ipynb_checkpoints"),
    *("__MACOSX", ".DS_Store", "._photo.jpg", ".AppleDouble", ".Spotlight-V100", "Icon\r", "Network Trash Folder"),
]


@pytest.mark.parametrize("name", SYSTEM)
def test_what_systems_leave_is_passed_over(tmp_path, name):
    touch(tmp_path, "apple/1.jpg", f"apple/{name}/1.jpg/SYNOPHOTO_THUMB_XL.jpg", f"{name}/apple/2.jpg")
    assert below(tmp_path) == ["apple/1.jpg"]
    assert [folder.name for folder in folder_walk.folders(tmp_path)] == ["apple"]
    assert folder_walk.is_system_name(name.upper())
    assert folder_walk.is_system_name(name.lower())


@pytest.mark.parametrize("name", ["#1 burger", "@home", "$5 menu", "recycled paper", "found", "thumbs up", "~"])
def test_what_people_put_there_is_not(name):
    assert not folder_walk.is_system_name(name)


class TestLinks:
    def test_they_are_followed(self, tmp_path):
        touch(tmp_path, "disk/apple/1.jpg", "disk/apple/deep/2.jpg", "root/pear/3.jpg")
        link(tmp_path / "root/apple", tmp_path / "disk/apple")
        link(tmp_path / "root/pear/more", "../../disk/apple/deep")
        assert below(tmp_path / "root") == ["apple/1.jpg", "apple/deep/2.jpg", "pear/3.jpg"]
        assert [folder.name for folder in folder_walk.folders(tmp_path / "root")] == ["apple", "pear"]

    def test_circles_end(self, tmp_path):
        touch(tmp_path, "root/a/1.jpg", "root/b/2.jpg", "out/3.jpg")
        link(tmp_path / "root/a/round", tmp_path / "root")
        link(tmp_path / "root/a/here", ".")
        link(tmp_path / "root/b/up", "/")
        link(tmp_path / "root/b/out", tmp_path / "out")
        link(tmp_path / "out/back", tmp_path / "root/a")
        assert below(tmp_path / "root") == ["a/1.jpg", "b/2.jpg", "b/out/3.jpg"]

    def test_a_folder_counts_once_and_where_it_really_is(self, tmp_path):
        touch(tmp_path, "root/z/1.jpg")
        for name in ("a", "b"):
            link(tmp_path / "root" / name, "z")
        assert below(tmp_path / "root") == ["z/1.jpg"]

    def test_two_links_a_level_are_not_two_to_the_power_of_the_levels(self, tmp_path):
        for level in range(30):
            for name in ("one", "two"):
                link(tmp_path / f"root/{level}" / name, f"../{level + 1}")
        touch(tmp_path, "root/30/1.jpg")
        assert below(tmp_path / "root/0") == ["one/" * 30 + "1.jpg"]

    def test_one_that_leads_nowhere(self, tmp_path, caplog):
        touch(tmp_path, "root/apple/1.jpg")
        link(tmp_path / "root/pear", "/nowhere/pear")
        with pytest.raises(
            UserError, match=r"the link \S*root/pear leads nowhere \(/nowhere/pear\): repair or remove it"
        ):
            folder_walk.folders(tmp_path / "root")
        assert below(tmp_path / "root") == ["apple/1.jpg", "pear"]
        assert "root/pear leads nowhere" in caplog.text
