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

from jdnet_jax import command_line

command_line.define_config("The config to read.")


def digests(config, rows, steps):
    """{"batch row": digest of the example} of these rows of the first batches."""
    from jdnet_jax import data

    batches = data.train_batches(
        data.prepare(config.dataset),
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=config.seed,
        start_step=0,
        augment=config.augment,
        rows=rows,
    )
    found = {}
    for number, batch in enumerate(itertools.islice(batches, steps)):
        for i, row in enumerate(rows):
            example = b"".join(batch[name][i].tobytes() for name in sorted(batch))
            found[f"{number} {row}"] = hashlib.sha256(example).hexdigest()
    return found


def main(argv):
    port, processes, process, steps = map(int, argv[1:])
    config = command_line.required_config()
    command_line.set_up_libraries()

    import jax

    from jdnet_jax import step

    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    with contextlib.redirect_stdout(sys.stderr):
        found = digests(config, step.rows(config.batch_size, config.grad_accum).tolist(), steps)
    print(json.dumps(found))
    jax.distributed.shutdown()
    return 0


if __name__ == "__main__":
    command_line.run(main)
