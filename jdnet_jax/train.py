"""The training loop: a config and a folder in, a jointly trained teacher and student out."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import data, handoff
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import teachers_first
from jdnet_jax.config.keys import PROBE
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import balance
from jdnet_jax.figures import imbalance
from jdnet_jax.files import atomic
from jdnet_jax.learning import assembly, devices, evaluation, host_batches, initial_weights, probe, run_check
from jdnet_jax.process import together, unused_memory
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.interruption import Interrupted, Interruption
from jdnet_jax.process.progress import Progress, duration, say
from jdnet_jax.report import page
from jdnet_jax.run import early_stop, final_test, introduction, metrics, outcome, snapshots, wandb_writer
from jdnet_jax.run.checkpoint import Checkpoints
from jdnet_jax.run.non_finite import NonFiniteError, NonFinitePolicy
from jdnet_jax.run.recorder import Recorder
from jdnet_jax.run.workdir import Workdir, text_of

# The note in a checkpoint with the metrics of the steps since the last logged line, which the next line averages.
_UNLOGGED = "unlogged"
_EARLY = "early_stop"  # likewise, see `early_stop.EarlyStop.notes`


def train_and_evaluate(config: ConfigDict, workdir: str | Path, command: str = "") -> dict[str, Any]:
    """Trains and evaluates the networks of a config, and writes all results to `workdir`.

    The same call continues a run that was interrupted, from its newest checkpoint. Teachers that the recipe needs
    trained, and that are not, are trained first.

    Args:
        config: from `config.default()`, with the recipe's values.
        workdir: the run's folder; made where it does not exist.
        command: the command that repeats the run, for the report.

    Returns:
        the content of `summary.json`.

    Raises:
        UserError: a mistake in the config, data or weights; a full disk; a loss that is not finite.
        Interrupted: SIGTERM or SIGINT came; the step was finished and saved. Where no step is unsaved (while data are
            prepared, the first step is compiled, the networks are tested) a signal ends the process at once instead.
    """
    run_check.check(config)
    first = {name: teachers_first.of_teacher(config, name) for name in teachers_first.untrained(config)}
    for name, alone in first.items():
        with teachers_first.named(config, name):
            run_check.check(alone)
    wandb_writer.check(config.wandb)
    place = Workdir(workdir)
    was_finished = place.summary.exists()
    with Interruption() as interruption:
        summary = _train(config, place, command, interruption, first)
    if was_finished:
        say(f"the run in {place.path} is finished: to train again, choose another --workdir")
    return summary


def _train(
    config: ConfigDict, place: Workdir, command: str, interruption: Interruption, first: Mapping[str, ConfigDict]
) -> dict[str, Any]:
    """Trains the teachers in `first`, name -> config, and then the run itself; returns the run's summary."""
    with contextlib.ExitStack() as held:
        together.by_the_first(lambda: held.enter_context(place.held()))
        together.by_the_first(lambda: place.claim(config))
        if (summary := place.finished()) is not None:
            if together.is_first() and not place.report.exists():
                page.write(place)
            return summary
        dataset = data.with_unlabelled(data.prepare(config.dataset), config.dataset)
        dataset = data.with_decoded(dataset, config)
        beside = f"; {dataset.unlabelled.protocol}" if dataset.unlabelled else ""
        # A process that trains something else, or on other photos, would go unnoticed: all take the same steps.
        together.check_same("config", text_of(config, but="dataset.data_dir"))
        together.check_same("data", f"{dataset.protocol}{beside} {dataset.class_names}")
        together.by_the_first(lambda: place.claim_data(dataset.protocol + beside))
        if command:
            together.by_the_first(lambda: atomic.write_text(place.command, command + "\n"))
        config = config.copy_and_resolve_references()
        begun = bool(together.of_the_first(lambda: int(place.has_checkpoint())))
        for name, alone in first.items():
            teacher = Workdir(place.teachers / name)
            if begun and config.teachers[name].trainable and not handoff.is_handoff(teacher.path):
                teachers_first.hand_over(config, name, "random")  # the run's checkpoint has it, and is restored
                continue
            if together.is_first() and not teacher.summary.exists():
                say(f"first {name}, {alone.student.model}, is trained alone; after that the student learns from it")
            trained = _train(alone, teacher, "", interruption, {})
            if trained["protocol"] != dataset.protocol:
                raise UserError(
                    f"{teacher.path} was trained on other data ({trained['protocol']}) than is there now "
                    f"({dataset.protocol}): give back that data, or delete that folder to train {name} again"
                )
            if not handoff.is_handoff(teacher.path):
                raise UserError(
                    f"{teacher.student} is missing: put back a copy, or delete {teacher.path} to train {name} again"
                )
            if devices.agreed(interruption.requested is not None):
                raise Interrupted(f"interrupted: {name} is trained, the same command goes on with the student")
            teachers_first.hand_over(config, name, teacher.path)
        run = _Run(config, place, dataset)
        with run.recorder.open(place, is_writer=run.is_writer) as writer:
            run.train(writer, interruption)
            return run.finish()


class _Run:
    """One run: its parts, its loop and its results."""

    def __init__(self, config: ConfigDict, place: Workdir, dataset: data.Dataset):
        self.config, self.place, self.dataset = config, place, dataset
        self.is_writer = together.is_first()
        self.steps = config_lib.total_steps(config, dataset.sizes["train"])
        self.periods = config_lib.periods(config, dataset.sizes["train"])

        weighing = config.losses.ce.options.balance
        # Reading the labels of all photos takes a moment where they are many: only where they are needed.
        counts = dataset.counts("train") if weighing or dataset.sizes["train"] <= probe.QUICK else None
        self.imbalance = None if counts is None else imbalance.of_classes(dataset.class_names, counts)
        weights = balance.weights(counts, weighing) if counts is not None and weighing else ()
        self.parts = assembly.assemble(config, len(dataset.class_names), self.steps, weights)
        self.networks = self.parts.networks
        initial_weights.check_trained_teachers(
            self.networks, dataset.class_names, config.dataset.view, dataset.protocol
        )
        terms, groups = [term.name for term in self.parts.terms], list(self.parts.optimizers)
        self.train_step: Callable[..., Any] = (
            probe.train_step(self.networks[STUDENT], tuple(terms), dataset, config)
            if config.recipe == PROBE
            else devices.mapped(self.parts.train_step(), donate_state=True)
        )
        self.look, self.looks = devices.mapped(self.parts.look()), self.parts.looks()
        self.state = devices.place(self.parts.initial_state())
        # One process speaks for all.
        out = None if self.is_writer else open(os.devnull, "w")  # noqa: SIM115
        self.progress = Progress(self.steps, config.batch_size, out)
        self.evaluation = evaluation.Evaluation(config, dataset, self.parts, self.progress)
        taken = None
        if self.is_writer and config.snapshots:
            at = snapshots.chosen_steps(self.steps, self.periods.evaluate, config.snapshots)
            taken = snapshots.begin(config, dataset, self.parts.evaluated, place.snapshots, at)
        self.frozen = self.parts.frozen.digests(self.state.variables)
        self.checkpoints = Checkpoints(place.checkpoints, config.keep_checkpoints, config.keep_every, self.frozen)
        self.non_finite = NonFinitePolicy(config, terms, groups, self.progress.say)
        self.recorder = Recorder(config, dataset, self.parts, self.progress, self.evaluation, self.non_finite, taken)
        self.early = early_stop.EarlyStop(
            config.patience, dataset.sizes["val"], unseen=not dataset.overlap("train", "val")
        )
        self.unlogged: list[dict[str, np.float32]] = []  # from before a resume, see _UNLOGGED
        self.stops: Any = None  # see `_agree`
        self.reached: int = self._resume()  # the number of the last step
        together.report(lambda: (self.reached, self.checkpoints.newest_complete()))
        for line in introduction.lines(config, dataset, self.parts, self.state, place.path, self.imbalance):
            self.progress.say(line)
        if self.early.ignored:
            self.progress.say(self.early.ignored)

    def train(self, writer: metrics.RunWriter, interruption: Interruption) -> None:
        """Runs the remaining steps, with logging, evaluation and checkpoints at their periods."""
        while True:
            try:
                self._train(writer, interruption)
                with self.progress.alive("saving"):
                    self.checkpoints.wait()
                interruption.unsaved = False
                break
            except NonFiniteError as error:
                self._roll_back(error, writer)

    def _train(self, writer: metrics.RunWriter, interruption: Interruption) -> None:
        first = int(self.state.step)
        if first == 0:
            self.recorder.probe(writer, self.state)
            self.early.see(self.recorder.evaluate(writer, 0, self.state))
        if self.early.is_over:  # a run that was killed between its last checkpoint and its tests
            return
        if first < self.steps and self.config.recipe != PROBE:
            self.progress.say(f"compiling the train step for {jax.device_count()} x {jax.devices()[0].device_kind} ...")
        began = time.monotonic()
        batches = host_batches.on_devices(self.dataset, self.config, seed=self.non_finite.data_seed, start_step=first)
        window: list[dict[str, Any]] = list(self.unlogged)
        work = "fitting a linear classifier" if self.config.recipe == PROBE else "compiling"
        for number in range(first + 1, self.steps + 1):
            is_first = number == first + 1  # the others take a moment
            with self.progress.alive("reading the first photos") if is_first else contextlib.nullcontext():
                batch = next(batches)
            with self.progress.alive(work) if is_first else contextlib.nullcontext() as now:
                self._look(writer, number, batch)
                self.state, values = self.train_step(self.state, batch)
                if now is not None:
                    now("taking the first step")
                    jax.block_until_ready(self.state)
                    unused_memory.give_back()
            before = window[-1] if window else None
            window.append(values)
            self.reached, interruption.unsaved = number, True
            # The step before this one has surely ended, so looking at it costs the device no pause.
            self.non_finite.check(number - 1, before)
            if is_first:
                self.progress.say(f"first step done after {duration(time.monotonic() - began)}")
                self.progress.restart_clock(number)
            self.progress.tick(number - 1)
            stops = self._agree(interruption.requested is not None)
            last = number == self.steps
            if last or number % self.config.log_every == 0:
                self.non_finite.check(number, values)
                self.recorder.log(writer, number, window)
                window = []
            evaluates = last or number % self.periods.evaluate == 0
            if evaluates or stops or self.periods.saves(number):
                self.non_finite.check(number, values)
                began = time.monotonic()
                top1 = self.recorder.evaluate(writer, number, self.state) if evaluates else None
                if top1 is not None:
                    self.early.see(top1)
                if self.early.is_over and window:
                    self.recorder.log(writer, number, window)
                    window = []
                writer.flush()  # a line is on disk before the checkpoint that a resumed run goes on from
                with self.progress.alive(f"saving step {number}"):  # and the save before, where it still goes on
                    self.checkpoints.save(devices.whole(self.state), top1, self._notes(window))
                self.progress.pause(time.monotonic() - began)
            elif not window:
                writer.flush()
            if stops:
                with self.progress.alive("saving"):
                    self.checkpoints.close()
                raise Interrupted(
                    f"interrupted: step {number} of {self.steps} is saved in {self.place.path}, the same command "
                    "continues from there"
                )
            if self.early.is_over and not last:
                self.progress.say(self.early.words(number, self.steps))
                return

    def _look(self, writer: metrics.RunWriter, number: int, batch: devices.Batch) -> None:
        """Measures the terms' gradients for the report, when due."""
        if number - 1 in self.looks:
            writer.write_scalars(number, jax.device_get(self.look(self.state, batch)))

    def _agree(self, stops: bool) -> bool:
        """Whether the run ends after this step; all processes agree at the same step.

        With several processes the answer is the one of the step before, so that none waits for it.
        """
        if jax.process_count() == 1:
            return stops
        before, self.stops = self.stops, devices.anywhere(stops)
        return before is not None and bool(before)

    def finish(self) -> dict[str, Any]:
        """Tests the chosen checkpoint once, and writes the hand-off, the summary and the report."""
        reached = int(self.state.step)
        chosen = self.checkpoints.best_step() if self.config.select == "best" else reached
        if chosen is not None and chosen != int(self.state.step):
            self.state = self.checkpoints.restore(chosen, devices.whole(self.state))
        self.progress.say(f"testing the networks of step {chosen} (config.select = {self.config.select!r}) ...")
        tested = final_test.of_networks(self.parts, self.dataset, self.evaluation, self.state, self.progress)
        summary = outcome.summary(
            self.config, self.dataset, self.parts.evaluated, tested, metrics.median_throughput(self.place.metrics)
        )
        if reached < self.steps:
            summary["ended_early"] = {"step": reached, "why": self.early.words(reached, self.steps)}
        if self.imbalance is not None:
            summary["imbalance"] = self.imbalance._asdict()
        self.recorder.conclude(tested.results["test"])
        if self.is_writer:
            outcome.write(self.config, self.dataset, self.parts.evaluated[STUDENT], tested, summary, self.place)
            page.write(self.place)
        self.checkpoints.close()
        together.wait("the summary")
        together.report(None)  # it would keep this run's arrays alive beside those of the next
        return summary

    def _resume(self) -> int:
        """Restores the newest checkpoint, if there is one, and returns its step, otherwise 0."""
        newest = self.checkpoints.latest_step()
        notes = None
        if newest is not None:
            self.state = self.checkpoints.restore(newest, self.state)
            notes = self.checkpoints.notes(newest)
            self.unlogged = [{key: np.float32(v) for key, v in values.items()} for values in notes[_UNLOGGED]]
            self.parts.frozen.check_unchanged(self.frozen, notes["frozen"])
        reached = int(self.state.step)
        self.non_finite.resume(reached, notes)
        self.early.resume((notes or {}).get(_EARLY))
        if self.is_writer:
            metrics.rewind(self.place.metrics, -1 if newest is None else newest, (notes or {}).get("metrics"))
            snapshots.check(self.place.snapshots, (notes or {}).get("snapshots", {}), reached)
        return reached

    def _notes(self, window: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The entries of a checkpoint beside the state, from which the run resumes exactly."""
        unlogged = [{key: float(value) for key, value in values.items()} for values in jax.device_get(window)]
        files: dict[str, Any] = {}
        if self.is_writer:
            files["metrics"] = metrics.digest(self.place.metrics)
            files["snapshots"] = snapshots.digests(self.place.snapshots)
        return {
            _UNLOGGED: unlogged,
            _EARLY: self.early.notes(),
            "frozen": self.frozen,
            **files,
            **self.non_finite.notes(),
        }

    def _roll_back(self, error: NonFiniteError, writer: metrics.RunWriter) -> None:
        """Goes back to the newest good checkpoint, from where `data_seed` gives another order.

        It need not be saved at once: a run that is killed before its next checkpoint reaches the same step again, and
        goes back again.

        Raises:
            UserError: the policy is another one, or this would be one time too many.
        """
        self.checkpoints.wait()
        self.non_finite.check_roll_back(error, self.checkpoints.last_good())
        roll_backs = [*self.non_finite.roll_backs, error.step]
        writer.flush()
        self.state, self.unlogged = devices.place(self.parts.initial_state()), []
        self.reached = self._resume()
        self.non_finite.roll_backs = roll_backs
        self.progress.say(f"{error}: back to step {int(self.state.step)}, going on with the data in another order")
