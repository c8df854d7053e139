import numpy as np

from jdnet_jax.data.synthetic_meals import color


def test_hex_becomes_linear_light():
    np.testing.assert_allclose(color.linear("ff0033"), [1, 0, 0.04], atol=1e-6)


def test_mix_ends_at_both_colours():
    share = np.array([[0.0, 0.5, 1.0]], np.float32)
    field = color.mix(color.linear("000000"), color.linear("ffffff"), share)
    np.testing.assert_allclose(field, np.broadcast_to(share, (3, 1, 3)))


def test_no_amount_varies_nothing():
    np.testing.assert_allclose(color.vary(np.random.default_rng(0), "808000", 0.0), color.linear("808000"))
    copies = color.many(np.random.default_rng(0), color.linear("804020"), 5, 0.0)
    np.testing.assert_allclose(copies, np.tile(color.linear("804020"), (5, 1)))


def test_between_lies_between():
    for seed in range(20):
        drawn = color.between(np.random.default_rng(seed), "202020", "808080", 0.0)
        assert (drawn >= color.linear("202020") - 1e-6).all()
        assert (drawn <= color.linear("808080") + 1e-6).all()
