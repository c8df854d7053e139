import json
import subprocess
import sys

import pytest

from jdnet_jax.models import catalogue
from tests.commands import ROOT, command, last_line


def test_help_names_the_flags_without_importing_jax_or_tensorflow():
    code = "import sys, runpy\nsys.argv = ['models', '--help']\n"
    code += "try: runpy.run_module('jdnet_jax.models', run_name='__main__')\n"
    code += "except SystemExit: pass\n"
    code += "assert not {'jax', 'tensorflow', 'flax'} & set(sys.modules), 'too much was imported'"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    assert "--classes" in result.stdout
    assert "--[no]json" in result.stdout


def test_the_table_has_the_networks_that_the_patterns_match():
    result = command("models", "resnet_tiny", "mobilenetv2_03?", "--classes=5", fresh=True)
    assert result.returncode == 0, result.stderr
    head, *rows = result.stdout.splitlines()
    assert head == catalogue.head()
    assert rows == [catalogue.line(catalogue.describe(name, 5)) for name in ("mobilenetv2_035", "resnet_tiny")]


def test_json_is_an_object_a_line():
    result = command("models", "resnet_tiny", "--json", "--classes=5")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [catalogue.describe("resnet_tiny", 5)]


@pytest.mark.parametrize("pattern", ["resnet5", "vit_*_tiny"])
def test_a_name_that_matches_nothing_is_one_line(pattern):
    result = command("models", "resnet18", pattern)
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: unknown model '{pattern}'; ")
    assert not result.stdout
