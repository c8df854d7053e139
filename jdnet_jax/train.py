"""The training loop: a config and a folder in, a jointly trained teacher and student out."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from clu import parameter_overview
from ml_collections import ConfigDict

from jdnet_jax import (
    array_file,
    assembly,
    atomic,
    calibration,
    data,
    evaluation,
    evaluation_file,
    handoff,
    host_batches,
    metrics,
    networks,
    optimizers,
    outcome,
    processes,
    run_check,
    snapshots,
    state,
    step,
    unused_memory,
)
from jdnet_jax import config as config_lib
from jdnet_jax.checkpoint import Checkpoints
from jdnet_jax.errors import UserError
from jdnet_jax.interruption import Interrupted, Interruption
from jdnet_jax.kept_steps import KeptSteps
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.progress import Progress, duration, say
from jdnet_jax.report import page
from jdnet_jax.routing import ENSEMBLE, STUDENT
from jdnet_jax.workdir import Workdir, text_of

# The note in a checkpoint with the metrics of the steps since the last logged line, which the next line averages.
_UNLOGGED = "unlogged"


def train_and_evaluate(config: ConfigDict, workdir: str | Path, command: str = "") -> dict[str, Any]:
    """Trains what the config says, evaluates it, and leaves everything in `workdir`.

    The same call continues a run that was interrupted, from its newest checkpoint.

    Args:
        config: as `config.default()`, with the recipe's values.
        workdir: the run's folder; made where it does not exist.
        command: what a person types to have this run again, for the report.

    Returns:
        the content of `summary.json`.

    Raises:
        UserError: a mistake in the config, data or weights; a full disk; a loss that is not finite.
        Interrupted: SIGTERM or SIGINT came; the step was finished and saved. Where no step is unsaved (while data are
            prepared, the first step is compiled, the networks are tested) a signal ends the process at once instead.
    """
    run_check.check(config)
    place = Workdir(workdir)
    with Interruption() as interruption, contextlib.ExitStack() as held:
        processes.by_the_first(lambda: held.enter_context(place.held()))
        processes.by_the_first(lambda: place.claim(config))
        if (summary := place.finished()) is not None:
            say(f"the run in {place.path} is finished: to train anew, choose another --workdir")
            if processes.is_first() and not place.report.exists():
                page.write(place)
            return summary
        dataset = data.prepare(config.dataset)
        # A process that trains something else, or on other photos, would go unnoticed: all take the same steps.
        processes.check_same("config", text_of(config, but="dataset.data_dir"))
        processes.check_same("data", f"{dataset.protocol} {dataset.class_names}")
        processes.by_the_first(lambda: place.claim_data(dataset.protocol))
        if command:
            processes.by_the_first(lambda: atomic.write_text(place.command, command + "\n"))
        run = _Run(config, place, dataset)
        run.train(interruption)
        return run.finish()


class _NonFinite(Exception):
    """A figure of a step is not finite; the message names it."""

    def __init__(self, step: int, message: str):
        super().__init__(message)
        self.step = step


class _Run:
    """One run: its parts, the loop, and what it leaves."""

    def __init__(self, config: ConfigDict, place: Workdir, dataset: data.Dataset):
        self.config, self.place, self.dataset = config, place, dataset
        self.is_writer = processes.is_first()
        self.steps = config_lib.total_steps(config, dataset.sizes["train"])
        self.epoch = max(1, dataset.sizes["train"] // config.batch_size)  # steps
        self.eval_every = config.eval_every or self.epoch
        self.checkpoint_every = config.checkpoint_every or self.eval_every

        self.parts = assembly.assemble(config, len(dataset.class_names), self.steps)
        self.networks, self.terms = self.parts.networks, self.parts.terms
        networks.check_frozen_teachers(self.networks, dataset.class_names, config.dataset.view)
        kept = KeptSteps(config, len(dataset.class_names), self.steps)
        # A run that goes on begins with training, and a new one with an evaluation.
        kept.begin(*sorted(["eval_step", "train_step"], reverse=place.checkpoints.exists()))
        self.rates = {
            name: optimizers.learning_rate(config_lib.group_settings(config, name)["schedule"], self.steps)
            for name in self.parts.optimizers
        }
        self.train_step = kept.step(
            "train_step", step.mapped(self.parts.train_step(), donate_state=True), donate_state=True
        )
        # Frozen networks are evaluated at the beginning and the end alone.
        eval_step, some_frozen = step.mapped(self.parts.eval_step()), bool(self.parts.frozen.members)
        self.eval_step = kept.step("eval_step", eval_step)
        self.eval_step_of_trained = kept.step("eval_step_of_trained", eval_step) if some_frozen else self.eval_step
        self.logits_step = kept.step("logits_step", step.mapped(step.logits_step(self.networks[STUDENT])))
        self.state = step.place(self.parts.initial_state())
        self.snapshots = None
        if self.is_writer and config.snapshots:
            at = snapshots.chosen_steps(self.steps, self.eval_every, config.snapshots)
            self.snapshots = snapshots.begin(config, dataset, self.networks, place.snapshots, at)
        frozen = self.parts.frozen.members
        self.frozen = {name: state.sha256(jax.device_get(self.state.variables(name))) for name in frozen}
        self.checkpoints = Checkpoints(place.checkpoints, config.keep_checkpoints, config.keep_every, frozen)
        self.unlogged: list[dict[str, np.float32]] = []  # from before a resume, see _UNLOGGED
        self.skips = 0  # updates left out, one after the other, up to the step `checked`
        self.roll_backs: list[int] = []  # the steps that they went back from
        self.stops: Any = None  # see `_agree`
        self._resume()
        processes.report(lambda: (self.reached, self.checkpoints.newest_complete()))
        # One process speaks for all.
        out = None if self.is_writer else open(os.devnull, "w")  # noqa: SIM115
        self.progress = Progress(int(self.state.step), self.steps, config.batch_size, out)
        self._introduce()

    def train(self, interruption: Interruption) -> None:
        """Runs the steps that are left, with logging, evaluation and checkpoints at their periods."""
        with metrics.RunWriter(self.place.metrics, self.place.tensorboard, is_writer=self.is_writer) as writer:
            while True:
                try:
                    self._train(writer, interruption)
                    with self.progress.alive("saving"):
                        self.checkpoints.wait()
                    interruption.unsaved = False
                    break
                except _NonFinite as error:
                    self._roll_back(error, writer)

    def _train(self, writer: metrics.RunWriter, interruption: Interruption) -> None:
        first = int(self.state.step)
        if first == 0:
            self._evaluate(writer, 0)
        if first < self.steps:
            self.progress.say(f"compiling the train step for {jax.device_count()} x {jax.devices()[0].device_kind} ...")
        began = time.monotonic()
        batches = self._train_batches(first)
        window: list[dict[str, Any]] = list(self.unlogged)
        for number in range(first + 1, self.steps + 1):
            with self.progress.alive("compiling") if number == first + 1 else contextlib.nullcontext():
                self.state, values = self.train_step(self.state, next(batches))
                if number == first + 1:
                    jax.block_until_ready(self.state)
                    unused_memory.give_back()
            window.append(values)
            self.reached, interruption.unsaved = number, True
            # The step before this one has surely ended, so looking at it costs the device no pause.
            self._check_finite(number - 1, window[-2:-1])
            if number == first + 1:
                self.progress.say(f"first step done after {duration(time.monotonic() - began)}")
                self.progress.restart_clock(number)
            stops = self._agree(interruption.requested is not None)
            last = number == self.steps
            if last or number % self.config.log_every == 0:
                self._log(writer, number, window)
                window = []
            evaluates = last or number % self.eval_every == 0
            if evaluates or stops or self._saves(number):
                self._check_finite(number, [values])
                began = time.monotonic()
                top1 = self._evaluate(writer, number) if evaluates else None
                writer.flush()  # a line is on disk before the checkpoint that a resumed run goes on from
                with self.progress.alive(f"saving step {number}"):  # and the save before, where it still goes on
                    self.checkpoints.save(step.whole(self.state), top1, self._notes(window))
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

    def _agree(self, stops: bool) -> bool:
        """Whether the run ends after this step: all processes say the same at the same step.

        Among several the answer is that of one step before, so that no process waits for it.
        """
        if jax.process_count() == 1:
            return stops
        before, self.stops = self.stops, step.anywhere(stops)
        return before is not None and bool(before)

    def _saves(self, number: int) -> bool:
        keep_every = self.config.keep_every
        return number % self.checkpoint_every == 0 or (keep_every > 0 and number % keep_every == 0)

    def finish(self) -> dict[str, Any]:
        """Tests the chosen checkpoint once, writes the hand-off and the summary, and says what lies where."""
        chosen = self.checkpoints.best_step() if self.config.select == "best" else self.steps
        if chosen is not None and chosen != int(self.state.step):
            self.state = self.checkpoints.restore(chosen, step.whole(self.state))
        self.progress.say(f"testing the networks of step {chosen} (config.select = {self.config.select!r}) ...")
        results = {role: self._results(role) for role in ("val", "test")}
        student = jax.device_get(self.state.variables(STUDENT))
        entries: dict[str, dict[str, Any]] = {
            name: {
                "model": network.model,
                "params": networks.parameter_count(self.state.params[name]),
                "multiply_adds": multiply_adds(network.module, network.image_size),
                **{role: results[role][name].summary() for role in results},
            }
            for name, network in self.networks.items()
        }
        entries[STUDENT]["sha256"] = state.sha256(student)
        logits = self._student_logits()
        unseen = not self.dataset.overlap("train", "val")
        if not unseen:
            self.progress.say("val is part of train: no temperature is fitted on what the student was trained on")
        entries[STUDENT]["calibration"] = _calibration(logits, fit=unseen)
        summary = {
            "recipe": self.config.recipe,
            "dataset": self.config.dataset.name,
            "protocol": self.dataset.protocol,
            "step": chosen,
            "steps": self.steps,
            "seed": self.config.seed,
            "images_per_second": metrics.median_throughput(self.place.metrics),
            "student": entries[STUDENT],
            "teachers": {name: entry for name, entry in entries.items() if name != STUDENT},
        }
        if ENSEMBLE in results["test"]:
            scores = {role: results[role][ENSEMBLE].summary() for role in results}
            summary["ensemble"] = outcome.ensemble({name: entries[name] for name in self.frozen}, scores)
        if self.is_writer:
            handoff.save(
                self.place.student,
                student,
                outcome.card(self.config, self.networks[STUDENT], self.dataset.class_names, summary),
            )
            temperature = entries[STUDENT]["calibration"]["temperature"]
            arrays = evaluation_file.of_run(logits, temperature, results["test"], self.dataset, self.config)
            array_file.write(self.place.evaluation, arrays)
            atomic.write_text(self.place.summary, json.dumps(summary, indent=2) + "\n")
            page.write(self.place)
        self.checkpoints.close()
        processes.wait("the summary")
        return summary

    def _resume(self) -> None:
        newest = self.checkpoints.latest_step()
        if newest is not None:
            self.state = self.checkpoints.restore(newest, self.state)
            notes = self.checkpoints.notes(newest)
            self.unlogged = [{key: np.float32(v) for key, v in values.items()} for values in notes[_UNLOGGED]]
            self.skips, self.roll_backs = notes["skips"], notes["roll_backs"]
            for name, digest in self.frozen.items():
                if notes["frozen"].get(name) != digest:
                    raise UserError(
                        f"config.teachers.{name}.init: the weights at {self.networks[name].init} are not those that "
                        "this run began with: put those back to continue it, or choose another --workdir"
                    )
        self.reached = self.checked = int(self.state.step)
        if self.is_writer:
            metrics.rewind(self.place.metrics, newest if newest is not None else -1)

    def _notes(self, window: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a checkpoint must say beside the state for the run to go on exactly."""
        unlogged = [{key: float(value) for key, value in values.items()} for values in jax.device_get(window)]
        return {_UNLOGGED: unlogged, "skips": self.skips, "roll_backs": self.roll_backs, "frozen": self.frozen}

    def _roll_back(self, error: _NonFinite, writer: metrics.RunWriter) -> None:
        """Goes back to the newest good checkpoint, from where `data_seed` gives another order.

        Nothing of it has to be written at once: a run that is killed before its next checkpoint comes to the same step
        again, and goes back again.

        Raises:
            UserError: the policy is another one, or this would be one time too many.
        """
        self.checkpoints.wait()
        times = len(self.roll_backs)
        if self.config.on_non_finite != "roll_back" or times >= self.config.max_roll_backs:
            after = f" (after {times} roll-backs)" if times else ""
            raise UserError(
                f"{error}{after}; {self.checkpoints.last_good()}: "
                "lower config.schedule.learning_rate or set config.optimizer.clip_norm, and use a new --workdir, or go "
                "on from there with --config.on_non_finite=roll_back"
            ) from error
        roll_backs = [*self.roll_backs, error.step]
        writer.flush()
        self.state, self.unlogged = step.place(self.parts.initial_state()), []
        self._resume()
        self.roll_backs = roll_backs
        self.progress.say(f"{error}: back to step {int(self.state.step)}, and on with the data in another order")

    @property
    def data_seed(self) -> int:
        """The seed of the data's order and augmentation: the config's, and another one after each roll-back."""
        if not self.roll_backs:
            return self.config.seed
        return int(np.random.SeedSequence([self.config.seed, len(self.roll_backs)]).generate_state(1)[0])

    def _introduce(self) -> None:
        say = self.progress.say
        say(f"{self.config.recipe} on {self.dataset.name}: {self.dataset.protocol}")
        counts = {name: networks.parameter_count(self.state.params[name]) for name in self.networks}
        for name, network in self.networks.items():
            ratio = "" if name == STUDENT else f", {counts[name] / counts[STUDENT]:.1f}x the student"
            kind = "" if network.trainable else ", frozen"
            if network.image_size != self.config.image_size:
                kind += f", at {network.image_size} px"
            say(f"{name}: {network.model}, {counts[name] / 1e6:.2f} M parameters{ratio}, from {network.init}{kind}")
            logging.info(
                "%s\n%s", name, parameter_overview.get_parameter_overview(self.state.params[name], include_stats=False)
            )
        first = int(self.state.step)
        start = f"continuing after step {first} of {self.steps}" if first else f"{self.steps} steps"
        say(f"{start}, batch {self.config.batch_size}, {self.config.image_size} px; workdir {self.place.path}")

    def _train_batches(self, first: int) -> Iterator[step.Batch]:
        host = host_batches.training(self.dataset, self.config, seed=self.data_seed, start_step=first)
        queue: deque[step.Batch] = deque()
        for batch in host:
            # One batch is on its way to the devices while the step works on another.
            examples = {name: values for name, values in batch.items() if name != "index"}
            queue.append(step.split(examples, self.config.grad_accum))
            if len(queue) == 2:
                yield queue.popleft()

    def _log(self, writer: metrics.RunWriter, number: int, window: list[dict[str, Any]]) -> None:
        self._check_finite(number, window[-1:])
        host = jax.device_get(window)
        # The figures of a step that was left out are not numbers; where all were, they are all there is.
        taken = [values for values in host if not values.get("skipped")] or host
        means = {key: float(np.mean([values[key] for values in taken])) for key in host[0]}
        if "skipped" in means:
            means["skipped"] = float(sum(values["skipped"] for values in host))
        rate = self.progress.rate(number)
        self.progress.line(number, means, rate)
        rates = {f"learning_rate/{name}": float(rate_at(number - 1)) for name, rate_at in self.rates.items()}
        weights = {f"weight/{term.name}": float(term.weight(jnp.int32(number - 1))) for term in self.terms}
        speed = {} if rate is None else {"images_per_second": rate}
        roll_backs = {"roll_backs": len(self.roll_backs)} if self.config.on_non_finite == "roll_back" else {}
        writer.write_scalars(number, {**means, **rates, **weights, **speed, **roll_backs})

    def _evaluate(self, writer: metrics.RunWriter, number: int) -> float:
        """Evaluates the networks on val and returns the student's top-1; those that are frozen at step 0 only."""
        began = time.monotonic()
        results = self._results("val", frozen=number == 0)
        accuracies = "  ".join(f"{name} {result.top1:.1%}" for name, result in results.items())
        count = next(iter(results.values())).count
        self.progress.say(
            f"val at step {number}: {accuracies}  ({count} images in {duration(time.monotonic() - began)})"
        )
        scalars = {
            f"val/{name}/{key}": value
            for name, result in results.items()
            for key, value in result.summary().items()
            if key != "count"
        }
        writer.write_scalars(number, scalars)
        writer.flush()
        if self.snapshots is not None:
            self.snapshots.take(number, {name: self.state.variables(name) for name in self.networks})
        return results[STUDENT].top1

    def _results(self, role: str, *, frozen: bool = True) -> dict[str, evaluation.Result]:
        chosen = [name for name, network in self.networks.items() if frozen or network.trainable]
        variables = {name: self.state.variables(name) for name in chosen}
        with self.progress.alive(f"evaluating on {role}"):
            eval_step = self.eval_step if frozen else self.eval_step_of_trained
            return evaluation.evaluate(eval_step, variables, self._eval_batches(role))

    def _student_logits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The student's logits and the labels on val and test, in the order of the split."""
        variables = self.state.variables(STUDENT)
        with self.progress.alive("calibrating the student"):
            return {
                role: evaluation.logits(self.logits_step, variables, self._eval_batches(role))
                for role in ("val", "test")
            }

    def _eval_batches(self, role: str) -> Iterator[Mapping[str, np.ndarray]]:
        return host_batches.evaluation(self.dataset, self.config, role)

    def _check_finite(self, number: int, window: list[dict[str, Any]]) -> None:
        """Looks at the metrics of the step `number`, the last of `window`, unless it was looked at before."""
        if number <= self.checked or not window:
            return
        self.checked = number
        host = jax.device_get(window[-1])
        # In the order of cause: a term, then the gradients, then the updated parameters, then the sum.
        names = [f"loss/{term.name}" for term in self.terms]
        names += [f"{norm}/{group}" for norm in ("grad_norm", "param_norm") for group in self.parts.optimizers]
        first = next((name for name in [*names, "loss/total"] if not np.isfinite(host[name])), None)
        if first is None:
            self.skips = 0
            return
        error = _NonFinite(number, f"step {number}: {first} is not finite ({float(host[first])})")
        if self.config.on_non_finite != "skip":
            raise error
        self.skips += 1
        if self.skips > self.config.max_skips:
            raise _NonFinite(number, f"{error}, as in the {self.config.max_skips} steps before, which were skipped")
        self.progress.say(f"{error}: its update is left out")


def _calibration(logits: Mapping[str, tuple[np.ndarray, np.ndarray]], *, fit: bool) -> dict[str, Any]:
    """The student's temperature, fitted on val or 1, and what it does to the calibration error."""
    temperature = calibration.fit_temperature(*logits["val"]) if fit else 1.0
    before_and_after = {"ece_before": 1.0, "ece_after": temperature}
    errors = {
        role: {name: calibration.calibration_error_at(at, *found) for name, at in before_and_after.items()}
        for role, found in logits.items()
    }
    return {"temperature": temperature, **errors}
