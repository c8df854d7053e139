"""The processes that train one run together, one for each host: how they find each other, and what only one does."""

from __future__ import annotations

import contextlib
import faulthandler
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from jdnet_jax.errors import UserError

# Seconds without a sign of life after which a process counts as dead, and that an ending one waits for the others.
TIMEOUT = 30


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins the processes of a run, before JAX is used; in a run of one process nothing happens.

    Args:
        coordinator: `host:port` of process 0.
        processes: how many there are.
        process: the number of this one. All three None: as JAX finds them on Cloud TPU, under SLURM and Open MPI.

    Raises:
        UserError: some are given and others are not, or the others are not there.
    """
    given = (coordinator, processes, process)
    if any(value is not None for value in given) and None in given:
        raise UserError(
            "--coordinator, --processes and --process belong together: give all three, or none on a cluster"
        )
    jax.config.update("jax_enable_preemption_service", False)  # signals are the business of `interruption`
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            cluster_detection_method="deactivate" if coordinator else None,
            heartbeat_timeout_seconds=TIMEOUT,
            shutdown_timeout_seconds=TIMEOUT,
        )
        # Where another process dies, JAX says so and aborts this one; pages of stacks after it would bury the line.
        faulthandler.disable()
    except ValueError as error:
        if coordinator is not None:
            raise UserError(f"--coordinator={coordinator} --process={process}: {error}") from error
        # No cluster: this process is alone.
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"the other processes of the run could not be joined ({reason}): start all of them") from error


def is_first() -> bool:
    """Whether this is process 0, which alone writes to the workdir."""
    return jax.process_index() == 0


def wait(reason: str) -> None:
    """Returns once all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(reason)


def by_the_first(action: Callable[[], None]) -> None:
    """Process 0 does it, and the others wait until it is done."""
    if is_first():
        action()
    wait("done by the first")


def of_the_first(value: Callable[[], int]) -> int:
    """A number as process 0 finds it, on all processes."""
    if jax.process_count() == 1:
        return value()
    found = np.int64(value() if is_first() else 0)
    return int(multihost_utils.broadcast_one_to_all(found))


@contextlib.contextmanager
def losses() -> Iterator[None]:
    """Tells a failure of the work between processes, whose cause is in another one, in one line.

    Raises:
        UserError: a process ended or can no longer be reached. Where the devices wait for it without noticing, JAX ends
            this process `TIMEOUT` seconds after its last sign of life.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        reason = str(error).splitlines()[0][:200]
        raise UserError(
            f"process {jax.process_index()} of {jax.process_count()} lost another one ({reason}): see why that one "
            "ended, then start all of them with the same command to continue"
        ) from error
