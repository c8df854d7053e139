from jdnet_jax.config import recipes, reference
from tests.commands import ROOT


def test_the_documents_have_every_key():
    assert reference.markdown() in (ROOT / "configs" / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_every_recipe():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in recipes.RECIPES if f"`{name}`" not in text] == []
