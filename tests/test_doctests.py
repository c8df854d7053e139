"""The examples in the docstrings of losses and figures."""

import doctest
import importlib

import pytest

from tests.commands import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ("losses", "figures")
    for path in (ROOT / "jdnet_jax" / room).glob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 30
