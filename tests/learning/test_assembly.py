import numpy as np

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.learning import assembly
from tests import tiny_recipe as tiny


def test_the_parts_are_those_of_the_config():
    config = tiny.config(ema_decay=0.5)
    config.teachers.teacher.trainable = False
    config.losses.ial.weight = 0.0
    parts = assembly.assemble(config, tiny.CLASSES, steps=20)
    assert list(parts.networks) == ["student", "teacher"]
    assert {term.name for term in parts.terms} == {"ce_student", "mskd_teacher", "kl_teacher"}
    assert list(parts.frozen.members) == ["teacher"]
    assert list(parts.optimizers) == ["student", "adapters"]
    first = parts.initial_state()
    assert set(first.params) == {"student", "teacher", "adapters"}
    assert set(first.opt_state) == {"student", "adapters"}
    assert first.ema


def test_the_first_state_is_a_function_of_the_seed():
    parts = [assembly.assemble(tiny.config(seed=seed), tiny.CLASSES, steps=20) for seed in (0, 0, 1)]
    digests = [sha256(each.initial_state().variables("student")) for each in parts]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_the_length_of_the_run_reaches_the_weights():
    config = tiny.config()
    config.losses.mskd.schedule = {"name": "linear", "warmup": 1.0}
    by_length = {
        steps: next(t for t in assembly.assemble(config, tiny.CLASSES, steps).terms if t.name == "mskd_teacher")
        for steps in (10, 20)
    }
    assert {steps: float(term.weight(np.int32(5))) for steps, term in by_length.items()} == {10: 0.5, 20: 0.25}
    assert config_lib.total_steps(config, 100) == 20
