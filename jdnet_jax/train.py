"""The training loop: a config and a folder in, a jointly trained teacher and student out."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from clu import parameter_overview
from ml_collections import ConfigDict

from jdnet_jax import (
    __version__,
    atomic,
    calibration,
    data,
    evaluation,
    handoff,
    metrics,
    networks,
    optimizers,
    state,
    step,
)
from jdnet_jax import config as config_lib
from jdnet_jax.checkpoint import Checkpoints
from jdnet_jax.data import mixing
from jdnet_jax.errors import UserError
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.progress import Progress, duration, say
from jdnet_jax.routing import STUDENT
from jdnet_jax.workdir import Workdir

# Stands in for the number of classes while shapes are checked, before the dataset is there to tell it.
_ANY_CLASSES = 10


def train_and_evaluate(config: ConfigDict, workdir: str | Path) -> dict[str, Any]:
    """Trains what the config says, evaluates it, and leaves everything in `workdir`.

    The same call continues a run that was interrupted, from its newest checkpoint.

    Args:
        config: as `config.default()`, with the recipe's values.
        workdir: the run's folder; made where it does not exist.

    Returns:
        the content of `summary.json`.

    Raises:
        UserError: a mistake in the config, data or weights; a full disk; a loss that is not finite.
    """
    check(config)
    place = Workdir(workdir)
    place.claim(config)
    if (summary := place.finished()) is not None:
        say(f"the run in {place.path} is finished, nothing is left to train: to train anew, choose another --workdir")
        return summary
    dataset = data.prepare(config.dataset)
    place.claim_data(dataset.protocol)
    run = _Run(config, place, dataset)
    run.train()
    return run.finish()


def check(config: ConfigDict) -> None:
    """Every check that needs no data: keys and values, models, their stages and weights, division over devices.

    Raises:
        UserError: names the key that is wrong and what to do.
    """
    config_lib.check(config)
    shares = jax.device_count() * config.grad_accum
    if config.batch_size % shares:
        raise UserError(
            f"config.batch_size is {config.batch_size}, which {jax.device_count()} devices x config.grad_accum = "
            f"{config.grad_accum} do not divide: choose a multiple of {shares}"
        )
    if mixing.is_on(config.augment) and config.batch_size % (2 * shares):
        raise UserError(
            f"config.batch_size is {config.batch_size}: mixup and CutMix pair the photos of each device's share, so it "
            f"must be a multiple of {2 * shares} (2 x devices x config.grad_accum)"
        )
    nets = networks.build(config, _ANY_CLASSES)
    networks.check_alignment(config, nets)
    networks.check_weights(nets)


class _Run:
    """One run: its parts, the loop, and what it leaves."""

    def __init__(self, config: ConfigDict, place: Workdir, dataset: data.Dataset):
        self.config, self.place, self.dataset = config, place, dataset
        self.is_writer = jax.process_index() == 0
        self.steps = config_lib.total_steps(config, dataset.sizes["train"])
        self.epoch = max(1, dataset.sizes["train"] // config.batch_size)  # steps
        self.eval_every = config.eval_every or self.epoch
        self.checkpoint_every = config.checkpoint_every or self.eval_every

        self.networks = networks.build(config, len(dataset.class_names))
        self.terms = networks.objective(config, self.networks, self.steps)
        groups = state.trained_groups(self.networks, self.terms)
        self.optimizers = state.build_optimizers(config, groups, self.steps)
        self.rates = {
            name: optimizers.learning_rate(config_lib.group_settings(config, name)["schedule"], self.steps)
            for name in groups
        }
        self.train_step = step.mapped(
            step.train_step(
                self.networks,
                self.terms,
                self.optimizers,
                ema_decay=config.ema_decay,
                sync_batch_norm=config.sync_batch_norm,
            ),
            donate_state=True,
        )
        self.eval_step = step.mapped(step.eval_step(self.networks))
        self.state = step.place(
            state.create(config, self.networks, self.terms, self.optimizers, len(dataset.class_names))
        )
        self.checkpoints = Checkpoints(place.checkpoints, config.keep_checkpoints)
        self._resume()
        self.progress = Progress(int(self.state.step), self.steps, config.batch_size)
        self._introduce()

    def train(self) -> None:
        """Runs the steps that are left, with logging, evaluation and checkpoints at their periods."""
        with metrics.RunWriter(self.place.metrics, self.place.tensorboard, is_writer=self.is_writer) as writer:
            self._train(writer)
            self.checkpoints.wait()

    def _train(self, writer: metrics.RunWriter) -> None:
        first = int(self.state.step)
        if first == 0:
            self._evaluate(writer, 0)
        if first < self.steps:
            self.progress.say(f"compiling the train step for {jax.device_count()} x {jax.devices()[0].device_kind} ...")
        began = time.monotonic()
        batches = self._train_batches(first)
        window: list[dict[str, Any]] = []
        for number in range(first + 1, self.steps + 1):
            self.state, values = self.train_step(self.state, next(batches))
            window.append(values)
            # The step before this one has surely ended, so looking at it costs the device no pause.
            self._check_finite(number - 1, window[-2:-1])
            if number == first + 1:
                jax.block_until_ready(self.state)
                self.progress.say(f"first step done after {duration(time.monotonic() - began)}")
                self.progress.restart_clock(number)
            last = number == self.steps
            if last or number % self.config.log_every == 0:
                self._log(writer, number, window)
                window = []
            evaluates = last or number % self.eval_every == 0
            if evaluates or number % self.checkpoint_every == 0:
                self._check_finite(number, [values])
                began = time.monotonic()
                top1 = self._evaluate(writer, number) if evaluates else None
                writer.flush()  # a line is on disk before the checkpoint that a resumed run goes on from
                self.checkpoints.save(self.state, top1)
                self.progress.pause(time.monotonic() - began)
            elif not window:
                writer.flush()

    def finish(self) -> dict[str, Any]:
        """Tests the chosen checkpoint once, writes the hand-off and the summary, and says what lies where."""
        chosen = self.checkpoints.best_step() if self.config.select == "best" else self.steps
        if chosen is not None and chosen != int(self.state.step):
            self.state = self.checkpoints.restore(chosen, self.state)
        self.progress.say(f"testing the networks of step {chosen} (config.select = {self.config.select!r}) ...")
        results = {role: self._results(role) for role in ("val", "test")}
        student = jax.device_get(self.state.variables(STUDENT))
        entries = {
            name: {
                "model": network.model,
                "params": networks.parameter_count(self.state.params[name]),
                **{role: results[role][name].summary() for role in results},
            }
            for name, network in self.networks.items()
        }
        entries[STUDENT]["sha256"] = state.sha256(student)
        entries[STUDENT]["calibration"] = self._calibration()
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
        if self.is_writer:
            handoff.save(self.place.student, student, self._card(summary))
            atomic.write_text(self.place.summary, json.dumps(summary, indent=2) + "\n")
        self.checkpoints.close()
        return summary

    def _resume(self) -> None:
        newest = self.checkpoints.latest_step()
        if newest is not None:
            self.state = self.checkpoints.restore(newest, self.state)
        if self.is_writer:
            metrics.rewind(self.place.metrics, newest if newest is not None else -1)

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
        host = data.train_batches(
            self.dataset,
            batch_size=self.config.batch_size,
            image_size=self.config.image_size,
            seed=self.config.seed,
            start_step=first,
            augment=self.config.augment,
            rows=step.rows(self.config.batch_size, self.config.grad_accum).tolist(),
        )
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
        means = {key: float(np.mean([values[key] for values in host])) for key in host[0]}
        rate = self.progress.rate(number)
        self.progress.line(number, means, rate)
        rates = {f"learning_rate/{name}": float(rate_at(number - 1)) for name, rate_at in self.rates.items()}
        weights = {f"weight/{term.name}": float(term.weight(jnp.int32(number - 1))) for term in self.terms}
        speed = {} if rate is None else {"images_per_second": rate}
        writer.write_scalars(number, {**means, **rates, **weights, **speed})

    def _evaluate(self, writer: metrics.RunWriter, number: int) -> float:
        """Evaluates all networks on val and returns the student's top-1."""
        began = time.monotonic()
        results = self._results("val")
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
        return results[STUDENT].top1

    def _results(self, role: str) -> dict[str, evaluation.Result]:
        variables = {name: self.state.variables(name) for name in self.networks}
        return evaluation.evaluate(self.eval_step, variables, self._eval_batches(role))

    def _calibration(self) -> dict[str, Any]:
        """The student's temperature, fitted on val, and what it does to the calibration error."""
        logits_step = step.mapped(step.logits_step(self.networks[STUDENT]))
        variables = self.state.variables(STUDENT)
        found = {role: evaluation.logits(logits_step, variables, self._eval_batches(role)) for role in ("val", "test")}
        temperature = calibration.fit_temperature(*found["val"])
        before_and_after = {"ece_before": 1.0, "ece_after": temperature}
        errors = {
            role: {name: calibration.calibration_error_at(at, *logits) for name, at in before_and_after.items()}
            for role, logits in found.items()
        }
        return {"temperature": temperature, **errors}

    def _eval_batches(self, role: str) -> Iterator[Mapping[str, np.ndarray]]:
        size = self.config.eval_batch_size or self.config.batch_size
        size = math.ceil(size / jax.device_count()) * jax.device_count()
        return data.eval_batches(
            self.dataset,
            role,
            batch_size=size,
            image_size=self.config.image_size,
            crop_fraction=self.config.crop_fraction,
            rows=step.rows(size).tolist(),
        )

    def _check_finite(self, number: int, window: list[dict[str, Any]]) -> None:
        for values in window:
            host = jax.device_get(values)
            # In the order of cause: a term, then the gradients, then the updated parameters, then the sum.
            names = [f"loss/{term.name}" for term in self.terms]
            names += [f"{norm}/{group}" for norm in ("grad_norm", "param_norm") for group in self.optimizers]
            first = next((name for name in [*names, "loss/total"] if not np.isfinite(host[name])), None)
            if first is not None:
                self.checkpoints.wait()
                raise UserError(
                    f"step {number}: {first} is not finite ({float(host[first])}); {self.checkpoints.last_good()}: "
                    "lower config.schedule.learning_rate or set config.optimizer.clip_norm, and use a new --workdir"
                )

    def _card(self, summary: Mapping[str, Any]) -> ModelCard:
        network = self.networks[STUDENT]
        spec = network.module.input_spec
        size = network.image_size
        return ModelCard(
            model=network.model,
            options=dict(network.options),
            parameters=summary["student"]["params"],
            classes=self.dataset.class_names,
            image_size=size,
            mean=spec.mean,
            std=spec.std,
            shorter_side=round(size / self.config.crop_fraction),
            temperature=summary["student"]["calibration"]["temperature"],
            dtype=self.config.compute_dtype,
            trained={
                "with": f"jdnet_jax {__version__}, jax {jax.__version__}",
                "on": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
                **{key: summary[key] for key in ("recipe", "dataset", "protocol", "step", "seed")},
            },
            accuracy={role: summary["student"][role] for role in ("val", "test")},
            sha256=summary["student"]["sha256"],
        )


def conclusion(summary: Mapping[str, Any], workdir: str | Path) -> str:
    """What a person reads at the end of a run: the figures, what lies where, what to try next."""
    place = Workdir(workdir)
    lines = [
        "",
        f"test top-1 on {summary['student']['test']['count']} images ({summary['recipe']}, {summary['dataset']}):",
    ]
    for name, entry in {STUDENT: summary["student"], **summary["teachers"]}.items():
        test = entry["test"]
        lines.append(
            f"  {name:<10} {test['top1']:7.2%}   top-5 {test['top5']:.2%}   macro-F1 {test['macro_f1']:.3f}   "
            f"{entry['params'] / 1e6:.2f} M parameters ({entry['model']})"
        )
    if found := summary["student"].get("calibration"):  # a run that an earlier version finished has none
        lines.append(
            f"  the student's probabilities at temperature {found['temperature']:.2f}, fitted on val: calibration "
            f"error {found['test']['ece_after']:.3f} on test ({found['test']['ece_before']:.3f} at 1)"
        )
    lines += [
        f"in {place.path}:",
        "  student/        the student alone, ready for export (model.json says what it is)",
        "  summary.json    these figures and more    config.json   the config they come from",
        "  metrics.jsonl   every logged step         tensorboard/  the same as curves: tensorboard --logdir "
        + str(place.path),
        "  checkpoints/    the whole state at the last steps and at the best on val",
    ]
    return "\n".join(lines)
