import os

import numpy as np
from PIL import Image

from jdnet_jax.segment import mask_file


def test_a_mask_knows_its_origin_and_other_files_do_not(tmp_path):
    origin = mask_file.Origin({"backend": "bright"}, "segmented", 0.5, 0.5, 1234)
    mask_file.write(tmp_path / "new" / "mask.png", np.eye(4, dtype=bool), origin)
    assert mask_file.read_origin(tmp_path / "new" / "mask.png") == origin
    assert mask_file.area(tmp_path / "new" / "mask.png") == 0.25
    assert os.listdir(tmp_path / "new") == ["mask.png"]
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    (tmp_path / "text.png").write_text("no picture")
    assert mask_file.read_origin(tmp_path / "other.png") is None
    assert mask_file.read_origin(tmp_path / "text.png") is None
