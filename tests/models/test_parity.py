"""Networks against timm's and torchvision's, weights and BatchNorm statistics drawn at random there and loaded here.

They are compared as parity_comparison.py says; PARITY.md has the figures of all of them.
"""

import contextlib

import pytest

from tests.models import parity_comparison
from tests.models.parity_cases import chosen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not parity_comparison.PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has torch, torchvision and timm"
    ),
]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    with contextlib.closing(parity_comparison.Originals(tmp_path_factory.mktemp("parity"))) as originals:
        yield originals


@pytest.mark.parametrize("case", chosen(), ids=str)
def test_logits_and_stages_equal_the_originals(case, originals):
    errors = parity_comparison.relative_errors(case, originals)
    print(case, *(f"{name} {error:.1e}" for name, error in errors.items()), sep=", ")  # pytest -rP shows the table
    assert max(errors.values()) < 1e-4, errors
