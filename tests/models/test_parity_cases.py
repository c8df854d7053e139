import collections
import itertools

import pytest

from jdnet_jax.models import names
from tests.models import parity_cases, parity_table

#: Ours alone, without an original.
OWN = {"resnet_tiny", "vit_tiny_test", "deit_tiny_distilled_test", "rvernet"}


def test_every_network_of_the_zoo_has_a_case():
    assert {case.name for case in parity_cases.CASES} == set(names()) - OWN


def test_cases_are_told_apart():
    (_, most), *_ = collections.Counter(map(str, parity_cases.CASES)).most_common(1)
    assert most == 1


def test_the_parts_are_all_together(monkeypatch):
    monkeypatch.delenv("JDNET_PARITY_PART", raising=False)
    assert parity_cases.chosen() == parity_cases.CASES
    parts = []
    for part in range(parity_cases.PARTS):
        monkeypatch.setenv("JDNET_PARITY_PART", str(part))
        parts.append(parity_cases.chosen())
    assert sorted(map(str, itertools.chain(*parts))) == sorted(map(str, parity_cases.CASES))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    monkeypatch.setenv("JDNET_PARITY_PART", "auto")
    assert parity_cases.chosen() in parts
    monkeypatch.setenv("JDNET_PARITY_PART", "6")
    with pytest.raises(ValueError, match="JDNET_PARITY_PART=6: it must be 0 to 5 or auto"):
        parity_cases.chosen()


def test_a_row_replaces_that_of_the_same_name_and_original():
    case = parity_cases.Case("resnet_tiny", "timm", "resnet_tiny", "pth")
    old = parity_table.row(case, {"logits": 1e-6, "layer1": 2e-6, "layer2": 3e-6}, "abc")
    assert old == "| resnet_tiny | timm `resnet_tiny`, .pth | 142,680 | 7,989,760 | 1.0e-06 | 3.0e-06 | abc |"
    other = old.replace("| timm `", "| torchvision `")
    new = old.replace("abc", "def")
    text = parity_table.merged(parity_table.merged(parity_table.merged("", old), other), new)
    assert text == f"{parity_table.HEAD}{new}\n{other}\n"


def test_the_table_has_every_case():
    rows = parity_table.FILE.read_text().removeprefix(parity_table.HEAD).splitlines()
    originals = {(case.name, parity_table._original(case)) for case in parity_cases.CASES}
    assert {tuple(line.strip("| ").split(" | ")[:2]) for line in rows} == originals
