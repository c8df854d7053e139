"""The command, with GrabCut."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.commands import command, last_line
from tests.segment.test_grabcut import iou, plate


def segment(*args, **how):
    return command("segment", *args, **how)


@pytest.mark.slow
def test_a_folder_of_photos_twice_and_a_bad_one(tmp_path):
    (tmp_path / "photos" / "fig").mkdir(parents=True)
    pixels, disc = plate()
    Image.fromarray(pixels).save(tmp_path / "photos" / "fig" / "1.png")
    args = (f"--input={tmp_path / 'photos'}", f"--output={tmp_path / 'masks'}")
    result = segment(*args, fresh=True)
    assert result.returncode == 0, result.stderr
    assert "  segmented: 1, 20% of the photo in the median" in result.stdout
    assert result.stderr == f"1 photo below {tmp_path / 'photos'}: 0 have a mask, 1 to do\n"
    with Image.open(tmp_path / "masks" / "fig" / "1.png") as mask:
        assert iou(np.asarray(mask) == 255, disc) > 0.97
    (tmp_path / "photos" / "fig" / "bad.jpg").write_bytes(b"no photo")
    again = segment(*args, "--json")
    assert again.returncode == 2
    assert last_line(again) == "error: 1 of 2 photos could not be read; the lines above name them"
    assert json.loads(again.stdout)["segmented"] == 1
    told = json.loads((tmp_path / "masks" / "segmentation.json").read_text())
    assert (told["backend"], told["counts"]["failed"], told["made"]) == ("grabcut", 1, 1)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: --input is missing: give --input=PHOTOS --output=MASKS"),
        (["--input=photos"], "error: --output is missing"),
        (["photos"], "error: unexpected argument 'photos': name the folder of the photos as --input=photos"),
        (["--input=a", "--output=b", "--prompt=box"], "error: --prompt belongs to --backend=sam, not to grabcut"),
        (["--input=a", "--output=b", "--backend=sam", "--jobs=2"], "error: --jobs belongs to --backend=grabcut"),
        (["--input=a", "--output=b", "--backend=sam", "--points=4"], "error: --points belongs to --prompt=grid"),
        (
            ["--input=a", "--output=b", "--backend=sam", "--margin=0.1"],
            "error: --margin belongs to --backend=grabcut and",
        ),
        (["--input=a", "--output=b", "--backend=cut"], "error: flag --backend=cut"),
        (["--input=a", "--output=b", "--margin=0.4"], "error: flag --margin=0.4"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = segment(*args)
    assert result.returncode == 2
    assert last_line(result).startswith(message)
    assert "Traceback" not in result.stderr
