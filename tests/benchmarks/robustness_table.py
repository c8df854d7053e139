"""What perturbations cost the models of a comparison: one table over its recipes and seeds.

    python -m tests.benchmarks.robustness_table WORKDIR --perturb=permutation:16 --perturb=translocation:17,-24

WORKDIR is that of `jdnet_jax.compare`. Each finished run of it is evaluated on test by `jdnet_jax.evaluate --json` with
the flags given, so `--classes=ketchup,chili_paste` shows those photos alone. Mean ± standard deviation over the seeds
(n - 1), and behind macro-F1 the 95 % bootstrap interval over the photos of each seed. What is lost is clean less
perturbed, of the same seed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CLEAN = "clean"


def main(argv: Sequence[str]) -> None:
    """Evaluates every run and prints the table."""
    folder, *asked = argv
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(folder).glob("*/summary.json")):
        recipe, _, _ = path.parent.name.rpartition("-")
        command = [sys.executable, "-m", "jdnet_jax.evaluate", f"--model={path.parent}", "--json", "--bootstrap=1000"]
        told = subprocess.run([*command, *asked], check=True, stdout=subprocess.PIPE, text=True)
        found.setdefault(recipe, []).append(json.loads(told.stdout))
        print(f"{path.parent.name} is evaluated", file=sys.stderr, flush=True)
    print(table(found), end="")


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown.

    Args:
        found: recipe -> for each seed what `evaluate --json` says.
    """
    lines = [
        "| run | seeds | photos | top-1, % | lost, points | macro-F1 | lost | macro-F1 of each seed (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for recipe, seeds in found.items():
        for name in (CLEAN, *(condition["perturbation"] for condition in seeds[0]["perturbed"])):
            conditions = [_condition(seed, name) for seed in seeds]
            pairs = list(zip(seeds, conditions, strict=True))
            cells = [recipe, str(len(seeds)), name]
            for figure, unit, digits in (("top1", 100, 2), ("macro_f1", 1, 4)):
                cells.append(_spread([unit * condition[figure] for condition in conditions], digits))
                lost = [unit * (clean[figure] - condition[figure]) for clean, condition in pairs]
                cells.append("" if name == CLEAN else _spread(lost, digits))
            cells.append("; ".join(_with_interval(condition) for condition in conditions))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _condition(seed: dict[str, Any], name: str) -> dict[str, Any]:
    return seed if name == CLEAN else next(one for one in seed["perturbed"] if one["perturbation"] == name)


def _spread(values: Sequence[float], digits: int) -> str:
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def _with_interval(condition: dict[str, Any]) -> str:
    low, high = condition["intervals"]["macro_f1"]
    return f"{condition['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(sys.argv[1:])
