"""What one of several real processes gets of the global training batches.

    python -m tests.process_batches LOOPBACK_PORT PROCESSES PROCESS STEPS [--config=configs/demo.py ...]

Joins `jax.distributed` and prints one JSON object {"batch row": digest of the example} over its rows of STEPS global
batches. The config's flags are those of `python -m jdnet_jax.main`.
"""

import contextlib
import hashlib
import itertools
import json
import sys

from jdnet_jax.process import command_line

command_line.define_config("The config to read.")


def main(argv):
    port, processes, process, steps = map(int, argv[1:])
    config = command_line.required_config()
    command_line.set_up_libraries()

    import jax

    from jdnet_jax import data
    from jdnet_jax.learning import devices, host_batches

    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    with contextlib.redirect_stdout(sys.stderr):
        dataset = data.prepare(config.dataset)
    rows = devices.rows(config.batch_size, config.grad_accum).tolist()
    batches = host_batches.training(dataset, config, seed=config.seed)
    found = {}
    for number, batch in enumerate(itertools.islice(batches, steps)):
        for i, row in enumerate(rows):
            example = b"".join(batch[name][i].tobytes() for name in sorted(batch))
            found[f"{number} {row}"] = hashlib.sha256(example).hexdigest()
    print(json.dumps(found))
    jax.distributed.shutdown()
    return 0


if __name__ == "__main__":
    command_line.run(main)
