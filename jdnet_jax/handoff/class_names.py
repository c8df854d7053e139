"""The check that a dataset has the classes of a model."""

from __future__ import annotations

from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError


def check(of_dataset: tuple[str, ...], of_model: tuple[str, ...], name: str) -> None:
    """Checks that the labels of a dataset are the classes of a model, in their order.

    Args:
        of_dataset: class names in the order of the labels.
        of_model: class names in the order of the scores.
        name: name of the dataset.

    Raises:
        UserError: they are not, and how they differ.
    """
    if of_dataset == of_model:
        return
    if set(of_dataset) == set(of_model):
        difference = "they are in another order"
    else:
        only_dataset, only_model = (
            sorted(set(a) - set(b)) for a, b in ((of_dataset, of_model), (of_model, of_dataset))
        )
        difference = f"only the dataset has {listed(only_dataset, 3)}; only the model has {listed(only_model, 3)}"
    raise UserError(
        f"the {len(of_dataset)} labels of {name} are not the {len(of_model)} classes of the model: {difference}; give "
        "the dataset and options that it was trained on"
    )
