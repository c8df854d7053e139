from jdnet_jax.benchmark.collectives import Collective, collectives

PROGRAM = """
  %all-reduce = (f32[64,3]{1,0}, f32[64]{0}, /*index=2*/bf16[]) all-reduce(%a, %b, %c), channel_id=1, to_apply=%add
  %get = f32[64]{0} get-tuple-element(%all-reduce), index=1
  ROOT %gather = pred[8,2]{1,0} all-gather(%d), dimensions={0}
  %start = s32[5]{0} all-reduce-start(%e), to_apply=%add
  %done = s32[5]{0} all-reduce-done(%start)
"""


def test_arrays_and_bytes_by_hand():
    assert collectives(PROGRAM) == [
        Collective("all-reduce", 3, 4 * 64 * 3 + 4 * 64 + 2),
        Collective("all-gather", 1, 16),
        Collective("all-reduce", 1, 20),
    ]
