"""The processes that train one run together, one for each host: joining, and work for only one of them."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import jax
import numpy as np
from absl import logging
from jax._src.clusters import ClusterEnv  # how `jax.distributed` finds the processes has no public name
from jax.experimental import multihost_utils

from jdnet_jax.process import command_line, heartbeats, meeting
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.heartbeats import Heartbeats, Position
from jdnet_jax.process.interruption import Interrupted
from jdnet_jax.process.progress import say

# Seconds that the processes wait for each other when they start, and when they end normally.
_START, _END = 300, 30
# JAX's watch, which ends a process with pages of its log, comes after ours.
_LAST_RESORT = 3 * round(heartbeats.TIMEOUT)
# Seconds in which the connection to a process that died surely closes.
_NEWS = 1.0

_heartbeats: Heartbeats | None = None


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins the processes of a run, before JAX is used; in a run of one process nothing happens.

    Args:
        coordinator: `host:port` of process 0.
        processes: number of processes.
        process: number of this one. All three None: as JAX finds them on Cloud TPU, under SLURM and Open MPI.

    Raises:
        UserError: only some are set, one is impossible, or the other processes are missing or disagree.
    """
    global _heartbeats
    arguments = (coordinator, processes, process)
    if any(value is not None for value in arguments) and None in arguments:
        raise UserError(
            "--coordinator, --processes and --process belong together: give all three, or none on a cluster"
        )
    jax.config.update("jax_enable_preemption_service", False)  # signals are the business of `interruption`
    devices = None
    if coordinator is None:
        coordinator, processes, process, devices = _of_cluster()
    if coordinator is None or processes is None or process is None:
        return  # no cluster: this process is alone
    this = meeting.member(coordinator, processes, process)
    connections = meeting.meet(this, _START)
    if connections:
        _heartbeats = Heartbeats(process, processes, connections)
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            devices,
            cluster_detection_method="deactivate",
            initialization_timeout=_START,
            heartbeat_timeout_seconds=_LAST_RESORT,
            shutdown_timeout_seconds=_END,
        )
    except (ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        told = UserError(f"JAX could not join the processes of the run ({reason}): start all of them again")
        if _heartbeats is not None:
            _fail(_heartbeats, told)
        raise told from error
    # Where JAX aborts this process after all, pages of stacks would bury what it says.
    faulthandler.disable()


def _of_cluster() -> tuple[str | None, int | None, int | None, Sequence[int] | None]:
    """The cluster's address of process 0, count of processes, number and devices of this one; None without one."""
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    try:
        return ClusterEnv.auto_detect_unset_distributed_params(address, None, None, None, None, _START)
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(
            f"the other processes of the cluster's job are not known ({reason}): start all again"
        ) from error


def report(position: Callable[[], Position] | None) -> None:
    """Registers a function that tells the state of the run, for the message when another process dies; None: no run."""
    if _heartbeats is not None:
        _heartbeats.position = position


def is_first() -> bool:
    """Whether this is process 0, which alone writes to the workdir."""
    return jax.process_index() == 0


def wait(reason: str) -> None:
    """Waits until all processes reach this point."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(reason)


def by_the_first(action: Callable[[], None]) -> None:
    """Runs a function on process 0 only, while the others wait."""
    if is_first():
        action()
    wait("done by the first")


def of_the_first(value: Callable[[], int]) -> int:
    """Process 0's value of a number, on all processes."""
    if jax.process_count() == 1:
        return value()
    number = np.int64(value() if is_first() else 0)
    return int(multihost_utils.broadcast_one_to_all(number))


def check_same(what: str, text: str) -> None:
    """Checks that a text of any length is the same on all processes.

    Raises:
        UserError: this process has another one than process 0.
    """
    if jax.process_count() == 1:
        return
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.int32)
    of_the_others = np.asarray(multihost_utils.process_allgather(digest))
    if not np.array_equal(digest, of_the_others[0]):
        raise UserError(
            f"process {jax.process_index()} has another {what} than process 0: start all with the same command, and on "
            "the same photos"
        )


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A context in which the processes end together: if one fails, it tells the others why, and all end at once.

    Where another one died, the watch ends this process, with a message. Alone, a process lets every error
    through.
    """
    if _heartbeats is None:
        yield
        return
    try:
        yield
    except Interrupted:
        _heartbeats.leave()
        raise
    except BaseException as error:
        # The end of another process may be the cause; then the watch ends this one before it has waited.
        time.sleep(heartbeats.TIMEOUT if isinstance(error, jax.errors.JaxRuntimeError) else _NEWS)
        _fail(_heartbeats, error)
    _heartbeats.leave()


def _fail(watch: Heartbeats, error: BaseException) -> NoReturn:
    """Reports the error here and to the others, and exits at once: a normal exit would wait for lost processes."""
    mistake = command_line.mistake(error)
    if mistake is None:
        traceback.print_exception(error)
    else:
        say(f"error: {mistake}")
    watch.fail(" ".join((mistake or f"{type(error).__name__}: {error}").split())[:2000])
    logging.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(heartbeats.FAILURE_STATUS)
