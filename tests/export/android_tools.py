"""What two Python packages make of a TFLite file as Android's tools do: `python android_tools.py FILE IMAGE.npy`.

Runs in a virtual environment of its own with tflite-support 0.4.4 (the Task Library) and mediapipe, which the project
does not need. Prints one JSON object: for each of them the heads that it lists, each as its classes with scores.
"""

import json
import sys

import mediapipe
import numpy as np
from mediapipe.tasks import python as mediapipe_tasks
from mediapipe.tasks.python import vision as mediapipe_vision
from tflite_support.task import vision


def heads(result):
    return [{category.category_name: category.score for category in head.categories} for head in result.classifications]


def main(path, image):
    # The Task Library keeps no copy of the image.
    pixels = np.load(image)
    try:
        classifier = vision.ImageClassifier.create_from_file(path)
        found = {"task library": heads(classifier.classify(vision.TensorImage.create_from_array(pixels)))}
    except ValueError as error:
        found = {"task library": str(error)}
    options = mediapipe_vision.ImageClassifierOptions(mediapipe_tasks.BaseOptions(model_asset_path=path))
    with mediapipe_vision.ImageClassifier.create_from_options(options) as classifier:
        image_of_it = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        found["mediapipe"] = heads(classifier.classify(image_of_it))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
