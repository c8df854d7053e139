import jax.numpy as jnp
import pytest

from jdnet_jax import models
from jdnet_jax.models.registry import create, names
from jdnet_jax.process.errors import UserError


def test_the_package_offers_the_registry():
    assert models.create is create
    assert models.names is names


def test_names_are_sorted_and_all_can_be_built():
    assert list(names()) == sorted(names())
    for name in names():
        module = create(name, 7, dtype=jnp.bfloat16, axis_name="data", data_axis="data", drop_rate=0.1)
        assert (module.num_classes, module.dtype, module.axis_name, module.data_axis) == (
            7,
            jnp.bfloat16,
            "data",
            "data",
        )
        assert module.drop_rate == 0.1
        assert module.stages


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet5",
            r"^unknown model 'resnet5': did you mean .*resnet50.*\? "
            rf"jdnet_jax.models.names\(\) lists all {len(names())}$",
        ),
        ("zzz", rf"^unknown model 'zzz': jdnet_jax.models.names\(\) lists all {len(names())}$"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, message):
    with pytest.raises(UserError, match=message):
        create(name, 10)


@pytest.mark.parametrize("num_classes", [0, -1, True])
def test_num_classes_must_be_positive(num_classes):
    with pytest.raises(UserError, match="'resnet18': num_classes must be a positive integer"):
        create("resnet18", num_classes)


def test_an_unknown_option_is_answered_with_those_allowed():
    with pytest.raises(UserError, match=r"^model 'resnet_tiny' has no option 'depth'; allowed: drop_rate, width$"):
        create("resnet_tiny", 10, depth=3)
    with pytest.raises(UserError, match=r"^model 'resnet50' has no option 'width'; allowed: drop_rate$"):
        create("resnet50", 10, width=3)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("width", 0, "width must be a positive integer, not 0"),
        ("drop_rate", 1.0, r"drop_rate must be a number in \[0, 1\), not 1.0"),
    ],
)
def test_a_value_that_is_not_allowed_names_the_option(option, value, message):
    with pytest.raises(UserError, match=message):
        create("resnet_tiny", 10, **{option: value})
