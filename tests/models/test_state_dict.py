import numpy as np
import pytest

from jdnet_jax.models import restricted_pickle, state_dict

WEIGHT = np.float32(1)


def find(checkpoint):
    return state_dict.find(checkpoint, np.float32)


@pytest.mark.parametrize(
    "path", ["model_state_dict", "state_dict_ema", "ema.module", "ema/module", "model/module", "net"]
)
def test_the_tensors_are_found_wherever_they_are_and_it_is_said(path, capsys):
    checkpoint = {"weight": WEIGHT}
    for name in reversed(path.split("/")):
        checkpoint = {"epoch": 3, name: checkpoint}
    assert find(checkpoint) == {"weight": WEIGHT}
    said = capsys.readouterr().err
    assert said == f"the weights file is a checkpoint: {path.replace('/', '.')} is read\n"


def test_a_container_without_tensors_is_passed_by():
    checkpoint = {"ema": {"decay": 0.999}, "model_ema": None, "state_dict_ema": {}, "model": {"weight": WEIGHT}}
    assert find(checkpoint) == {"weight": WEIGHT}


def test_containers_that_contain_themselves_end():
    checkpoint = {"model": {"epoch": 3}}
    for name in state_dict.CONTAINERS:
        checkpoint["model"][name] = checkpoint
    with pytest.raises(ValueError, match="its entry 'model' is not a tensor"):
        find(checkpoint)


def test_numbers_and_texts_among_the_tensors_are_left_out_and_it_is_said(capsys):
    beside = {"epoch": 3, "best": restricted_pickle.INERT, "name": "x", "none": None}
    assert find({"weight": WEIGHT, **beside}) == {"weight": WEIGHT}
    assert capsys.readouterr().err == "the weights file has epoch, best, name, none among its tensors: left out\n"
    with pytest.raises(ValueError, match=r"its entry 'more' is not a tensor \(the entries are weight, more\)"):
        find({"weight": WEIGHT, "more": {"weight": WEIGHT}})
    with pytest.raises(ValueError, match="its entry '3' is not a tensor"):
        find({3: WEIGHT})
    with pytest.raises(ValueError, match="its entry 'epoch' is not a tensor"):
        find(beside)
    with pytest.raises(ValueError, match="no dictionary"):
        find([WEIGHT])


@pytest.mark.parametrize(
    ("names", "expected", "prefix"),
    [
        (["module.a.weight", "module.b"], ["a.weight"], "module."),
        (["module._orig_mod.a", "module._orig_mod.b"], ["a"], "module._orig_mod."),
        (["_orig_mod.module.a"], ["a"], "_orig_mod.module."),
        (["model.backbone.a", "model.backbone.b"], ["a"], "model.backbone."),
        (["ema.module.a"], ["a"], "ema.module."),
        (["module.a", "b"], ["a"], ""),
        (["encoder.a.weight", "encoder.b"], ["a.weight", "b", "c"], "encoder."),
        (["module.student.a", "module.student.b"], ["a", "b"], "module.student."),
        (["features.0.weight", "features.1.weight"], ["features.0.weight", "classifier.weight"], ""),
        (["features.0.weight", "features.1.weight"], ["conv_stem.weight", "bn1.weight"], ""),
        (["a"], ["a"], ""),
        (["backbone.a", "backbone.b"], ["backbone.a"], ""),  # so the network's own tensors are named
        (["module.backbone.a"], ["backbone.a"], "module."),
        ([], ["a"], ""),
    ],
)
def test_the_prefix_that_all_names_carry(names, expected, prefix):
    assert state_dict.prefix(names, expected) == prefix


@pytest.mark.parametrize(
    ("about", "network"),
    [({"arch": "resnet50"}, "resnet50"), ({"arch": 3}, None), ({"model_name": "a", "arch": "b"}, "b"), ([], None)],
)
def test_the_network_that_a_checkpoint_names(about, network):
    assert state_dict.network(about) == network


def test_the_only_dictionary_with_tensors_is_read_whatever_its_name(capsys):
    other = {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": WEIGHT}}, "param_groups": []}}
    assert find({**other, "my_weights": {"weight": WEIGHT}}) == {"weight": WEIGHT}
    assert capsys.readouterr().err == "the weights file is a checkpoint: my_weights is read\n"
    with pytest.raises(ValueError, match="is not a tensor"):
        find({**other, "student": {"weight": WEIGHT}, "teacher": {"weight": WEIGHT}})


def test_a_dictionary_that_is_named_often_is_looked_through_once():
    class Counted(dict):
        looks = 0

        def items(self):
            Counted.looks += 1
            return super().items()

    empty = Counted(epoch=3)
    with pytest.raises(ValueError, match="is not a tensor"):
        find({str(number): empty for number in range(1000)})
    assert Counted.looks == 1
