"""UECFood in small: every class folder, file and line as the real set has them, with four photos of each class."""

import shutil
from pathlib import Path

from tests.data.tiny import encode, smooth_photo

PER_CLASS = 4
HEIGHT, WIDTH = 20, 24
BOX = (4, 3, 20, 15)


def numbers(class_number: int) -> list[int]:
    """Of the photos of a class: the first is listed in val0, the second in val1, the third in val2, 3 or 4, the last
    in no list."""
    first = (class_number - 1) * PER_CLASS + 1
    return list(range(first, first + PER_CLASS))


def make_tree(root: Path, num_classes: int = 100) -> Path:
    """Makes `root/UECFOOD<n>` and `root/uecfood<n>_split`; returns `root`."""
    photos, lists = root / f"UECFOOD{num_classes}", root / f"uecfood{num_classes}_split"
    lists.mkdir(parents=True)
    listed: list[list[str]] = [[] for _ in range(5)]
    for c in range(1, num_classes + 1):
        (photos / str(c)).mkdir(parents=True)
        for position, number in enumerate(numbers(c)):
            (photos / f"{c}/{number}.jpg").write_bytes(encode(smooth_photo(number, HEIGHT, WIDTH), "JPEG"))
            if position < PER_CLASS - 1:
                listed[position if position < 2 else 2 + c % 3].append(f"UECFOOD{num_classes}/{c}/{number}.jpg")
        rows = [f"{number} {' '.join(map(str, BOX))}" for number in numbers(c)]
        write_lines(photos / f"{c}/bb_info.txt", ["img x1 y1 x2 y2", *rows])
    write_lines(photos / "category.txt", ["id\tname", *(f"{c}\tfood {c}" for c in range(1, num_classes + 1))])
    write_lines(photos / "multiple_food.txt", ["img food1 food2", "1 1 2 ", "5 2 3 "])
    for fold, lines in enumerate(listed):
        write_lines(lists / f"val{fold}.txt", lines)
    return root


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines))


def add_photo(root: Path, photo: str, *, copy_of: str = "", fold: int | None = None, num_classes: int = 100) -> None:
    """Adds `photo`, such as '2/9001.jpg', to the tree and to the list of a fold."""
    folder = root / f"UECFOOD{num_classes}"
    class_number, number = photo.removesuffix(".jpg").split("/")
    if copy_of:
        shutil.copyfile(folder / copy_of, folder / photo)
    else:
        (folder / photo).write_bytes(encode(smooth_photo(int(number), HEIGHT, WIDTH), "JPEG"))
    with (folder / class_number / "bb_info.txt").open("a") as file:
        file.write(f"{number} {' '.join(map(str, BOX))}\n")
    if fold is not None:
        with (root / f"uecfood{num_classes}_split" / f"val{fold}.txt").open("a") as file:
            file.write(f"UECFOOD{num_classes}/{photo}\n")


def pack(root: Path, archive: Path, folder: str) -> Path:
    """Packs `root/folder` into a zip archive, and removes it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    shutil.make_archive(str(archive.with_suffix("")), "zip", root, folder)
    shutil.rmtree(root / folder)
    return archive
