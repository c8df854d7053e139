"""The documents: their links lead somewhere, and their commands name what there is."""

import re

import pytest

from tests.commands import ROOT

DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {"node_modules", "runs", "build"} & set(path.relative_to(ROOT).parts)
    and not any(part.startswith(".") for part in path.relative_to(ROOT).parts[:-1])
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^```.*?^```", "", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for link in _LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: there is no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_configs_that_are_named_are_there(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":  # it names what was
        return
    for name in re.findall(r"`((?:jdnet_jax|configs|tests)/[\w/]+\.(?:py|md))`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"--config=([a-z0-9_]+)[:\s]", text):
        assert (ROOT / "configs" / f"{name}.py").exists() or name in ("FILE", "NAME"), name
