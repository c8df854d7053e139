"""Compares networks with their originals and writes what was found into PARITY.md, the rows of the others kept.

JDNET_PARITY_PYTHON=PYTHON python -m tests.models.parity_table            # every case of parity_cases.py
JDNET_PARITY_PYTHON=PYTHON python -m tests.models.parity_table resnet18   # those of this name
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from jdnet_jax.files import atomic
from jdnet_jax.models import catalogue
from tests.models import parity_comparison
from tests.models.parity_cases import CASES

FILE = Path(__file__).with_name("PARITY.md")
HEAD = """\
# Networks against their originals

Weights and BatchNorm statistics drawn at random in timm or torchvision, or the weights of a package, saved there and
loaded here; eval mode, float32, on the CPU. An error is the largest difference of a tensor, relative to its largest
value; of the stages the largest is told. Parameters and multiply-adds (of the logits of one image of the network's own
size) are those of `python -m jdnet_jax.models`, with 1,000 classes. Written by `python -m tests.models.parity_table`.

| name | original | parameters | multiply-adds | error of logits | error of stages | commit |
|---|---|---|---|---|---|---|
"""


def row(case, errors, commit):
    """One line of the table."""
    about = catalogue.describe(case.name, 1000)
    stages = max(error for name, error in errors.items() if name != "logits")
    cells = [case.name, _original(case), f"{about['parameters']:,}", f"{about['multiply_adds']:,}"]
    cells += [f"{errors['logits']:.1e}", f"{stages:.1e}", commit]
    return f"| {' | '.join(cells)} |"


def _original(case):
    return case.library if case.library == "lite_package" else f"{case.library} `{case.model}`, .{case.suffix}"


def merged(text, new):
    """The whole file with a new row in place of the one of the same name and original; sorted."""
    rows = {_key(line): line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| name ")}
    rows[_key(new)] = new
    return HEAD + "".join(f"{rows[key]}\n" for key in sorted(rows))


def _key(line):
    return tuple(line.split(" | ")[:2])


def _commit():
    """The commit of this checkout, with `-dirty` where the package is not as it is there."""
    commit, changes = (
        subprocess.run(["git", *command], cwd=FILE.parent, capture_output=True, text=True, check=True).stdout.strip()
        for command in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "../../jdnet_jax"])
    )
    return f"{commit}-dirty" if changes else commit


def main(names):
    cases = [case for case in CASES if not names or case.name in names]
    if not cases or not parity_comparison.PYTHON:
        return "nothing to compare: name models of parity_cases.py, and by JDNET_PARITY_PYTHON a Python that has torch"
    commit = _commit()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(parity_comparison.Originals(Path(folder))) as originals,
    ):
        for case in cases:
            line = row(case, parity_comparison.relative_errors(case, originals), commit)
            print(line, flush=True)
            atomic.write_text(FILE, merged(FILE.read_text() if FILE.exists() else "", line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
