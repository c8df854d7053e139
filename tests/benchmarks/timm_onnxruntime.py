"""timm's network as ONNX under ONNX Runtime; run by tflite_vs_onnxruntime.py in an environment that has them.

    python timm_onnxruntime.py export MODEL WEIGHTS CLASSES SIZE FILE
    python timm_onnxruntime.py run FILE SECONDS

`export` writes what `torch.onnx.export` makes of the network with the weights. `run` confines itself to one CPU and
prints one JSON object: median and 90 % quantile of the milliseconds that a photo takes, normalised float32 to logits.
"""

import json
import os
import sys
import time

FEWEST = 20  # runs


def export(model, weights, classes, size, file):
    import timm
    import torch

    network = timm.create_model(model, num_classes=int(classes), checkpoint_path=weights).eval()
    images = torch.zeros(1, 3, int(size), int(size))
    torch.onnx.export(network, (images,), file, input_names=["images"], output_names=["logits"])


def run(file, seconds):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    latencies = []
    warm, until = time.perf_counter() + float(seconds) / 5, time.perf_counter() + 1.2 * float(seconds)
    while len(latencies) < FEWEST or time.perf_counter() < until:
        began = time.perf_counter()
        session.run(None, {"images": images})
        if began > warm:
            latencies.append(1e3 * (time.perf_counter() - began))
    print(json.dumps({"median": float(np.median(latencies)), "p90": float(np.quantile(latencies, 0.9))}))


if __name__ == "__main__":
    {"export": export, "run": run}[sys.argv[1]](*sys.argv[2:])
