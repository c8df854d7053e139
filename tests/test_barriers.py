from jdnet_jax import barriers


def test_the_pass_that_drops_barriers_is_left_out_beside_the_flags_that_are_there():
    flags = "--xla_disable_hlo_passes=cse_barrier_expander"
    assert barriers.xla_flags({}) == flags
    assert barriers.xla_flags({"XLA_FLAGS": "--xla_a=1"}) == f"--xla_a=1 {flags}"
    assert barriers.xla_flags({"XLA_FLAGS": "--xla_disable_hlo_passes=b"}) == "--xla_disable_hlo_passes=b"
