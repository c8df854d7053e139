"""The README's picture: photos of a finished run, and where its teacher and its student looked at the end.

    python -m tests.readme_picture runs/demo .github/teacher_and_student.jpg

Three rows (photo, teacher, student), a column for each photo that the run followed; see `jdnet_jax.run.snapshots`.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from jdnet_jax.files import array_file
from jdnet_jax.inference import overlay

SIDE, GAP, MARGIN, LINE = 128, 6, 84, 22  # pixels
PAPER, INK = (255, 255, 255), (30, 30, 30)


def draw(run: Path) -> Image.Image:
    """The picture of a run with one teacher, named `teacher`."""
    photos = array_file.read(run / "snapshots" / "photos.npz")
    last = max((path for path in (run / "snapshots").glob("[0-9]*.npz")), key=lambda path: int(path.stem))
    maps = array_file.read(last)
    count = len(photos["label"])
    width, height = MARGIN + count * (SIDE + GAP), LINE + 3 * (SIDE + LINE)
    picture = Image.new("RGB", (width, height), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for row, name in enumerate(("photo", "teacher", "student")):
        top = LINE + row * (SIDE + LINE)
        pen.text((4, top + SIDE // 2 - 8), name, INK, font)
        for column in range(count):
            left = MARGIN + column * (SIDE + GAP)
            drawn = Image.fromarray(photos["image"][column]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            if row == 0:
                pen.text((left, 3), str(photos["name"][column]).replace("_", " "), INK, font)
            else:
                drawn = overlay.colored(drawn, maps[f"{name}/map"][column])
                pen.text((left, top + SIDE + 2), f"{maps[f'{name}/probability'][column]:.0%}", INK, font)
            picture.paste(drawn, (left, top))
    return picture


if __name__ == "__main__":
    draw(Path(sys.argv[1])).save(sys.argv[2], quality=90)
