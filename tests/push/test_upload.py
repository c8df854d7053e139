"""What is asked before a student is exported and sent."""

import sys

import pytest

from jdnet_jax.process.errors import UserError
from jdnet_jax.push import upload


def test_without_the_package_nothing_begins(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pushing needs the package huggingface_hub: pip install 'jdnet-jax\[hub\]'"):
        upload.check_package()


def test_without_a_token_neither(monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(UserError, match="HF_TOKEN is not set: make a token that may write"):
        upload.token()
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert upload.token() == "hf_x"
