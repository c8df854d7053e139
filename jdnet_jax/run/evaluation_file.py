"""`evaluation.npz`: the predictions of a finished run's networks on val and test, for report and comparison.

- The student's for each role, in the order of the split: `<role>/label`, `<role>/prediction`, `<role>/confidence` (the
  probability of the prediction at temperature 1) and `<role>/calibrated` (at the fitted temperature); `test/path`, the
  photos' files, where the dataset records them.
- Each network's on test: `confusion/<name>`, see `classification.Result`.
- The first photo of each of the student's most frequent mistakes on test: `confused/label`, `confused/prediction`,
  `confused/image` [n, size, size, 3].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from jdnet_jax.config import views
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import Dataset, chosen
from jdnet_jax.figures import calibration, classification

CONFUSED_PAIRS = 20  # whose photos are kept


def of_run(
    logits: Mapping[str, tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]],
    temperature: float,
    results: Mapping[str, classification.Result],
    dataset: Dataset,
    config: ConfigDict,
) -> dict[str, np.ndarray]:
    """The arrays of the file.

    Args:
        logits: role -> the student's logits and the labels, in the order of the split.
        temperature: the temperature that was fitted on val.
        results: network -> its result on test.
        dataset: dataset of the run.
        config: config of the run, with the views of photos.
    """
    arrays: dict[str, np.ndarray] = {f"confusion/{name}": result.confusion for name, result in results.items()}
    for role, (scores, labels) in logits.items():
        arrays[f"{role}/label"] = labels.astype(np.int32)
        arrays[f"{role}/prediction"] = scores.argmax(axis=1).astype(np.int32)
        arrays[f"{role}/confidence"] = calibration.confidences(scores, 1.0).astype(np.float32)
        arrays[f"{role}/calibrated"] = calibration.confidences(scores, temperature).astype(np.float32)
    if (paths := chosen.paths(dataset, "test")) is not None:
        arrays["test/path"] = np.array(paths)
    labels, predictions = arrays["test/label"], arrays["test/prediction"]
    pairs = np.array([pair[:2] for pair in classification.most_confused(results[STUDENT].confusion, CONFUSED_PAIRS)])
    positions = [np.flatnonzero((labels == label) & (predictions == prediction)) for label, prediction in pairs]
    # The counts come from another compiled step than the logits; where the two best classes are all but equal, they
    # may differ.
    kept = [i for i, members in enumerate(positions) if len(members)]
    first = [int(positions[i][0]) for i in kept]
    size = eval_image_size(config)
    images = np.zeros((0, size, size, 3), np.uint8)
    if first:
        seen = chosen.views(dataset, "test", first, size, config.crop_fraction, config.fit)
        images = views.images_for(3, seen)
    pairs = pairs.reshape(-1, 2)[kept].astype(np.int32)
    return arrays | {"confused/label": pairs[:, 0], "confused/prediction": pairs[:, 1], "confused/image": images}
