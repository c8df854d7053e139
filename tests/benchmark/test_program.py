import pytest

from jdnet_jax.benchmark import program

TEXT = """HloModule jit_f, input_output_alias={ {0}: (1, {}, may-alias), {1}: (0, {}, must-alias) }, x={}

%fused (p0: f32[3,100]) -> f32[3,100] {
  %p0 = f32[3,100]{1,0:T(8,128)} parameter(0)
  ROOT %copy.1 = f32[3,100]{1,0:T(8,128)} copy(%p0)
}

%body (loop: (s32[], bf16[256])) -> (s32[], bf16[256]) {
  %loop = (s32[], bf16[256]{0:T(256)}) parameter(0)
  %item = bf16[256]{0:T(256)} get-tuple-element(%loop), index=1
  %twice = bf16[256]{0:T(256)} add(%item, %item), metadata={op_name="jit(f)/add"}
  ROOT %both = (s32[], bf16[256]{0:T(256)}) tuple(%item, %twice)
}

ENTRY %main (a: f32[3,100], b: bf16[256]) -> (f32[3,100], bf16[256]) {
  %b = bf16[256]{0:T(256)} parameter(1)
  %a = f32[3,100]{1,0:T(8,128)} parameter(0)
  %fusion = f32[3,100]{1,0:T(8,128)} fusion(%a), kind=kLoop, calls=%fused, metadata={op_name="jit(f)/mul"}
  %while = (s32[], bf16[256]{0:T(256)}) while(%t), body=%body, backend_config={"known_trip_count":{"n":"4"}}
  %start = (f32[3,100]{1,0:T(8,128)}, f32[3,100]{1,0:T(8,128)}, u32[]{:T(128)}) copy-start(%fusion)
  ROOT %copy.2 = f32[3,100]{1,0:T(8,128)} copy(%fusion)
}
"""


def test_traffic_by_hand():
    found = {one.name: (size, one.source) for size, one in program.read(TEXT).traffic()}
    assert found == {
        "fusion": (2 * 1200, "jit(f)/mul"),
        "twice": (4 * 3 * 512, "jit(f)/add"),  # in a loop of four
        "start": (3 * 1200 + 4, ""),
        "copy.2": (2 * 1200, ""),
    }


def test_arguments_and_which_are_written_over():
    found = program.read(TEXT)
    assert found.arguments() == ["f32[3,100]{1,0:T(8,128)}", "bf16[256]{0:T(256)}"]
    assert found.aliased == {0, 1}


def test_copies_stand_anywhere_and_are_large():
    assert program.read(TEXT).copies(1200) == [1200, 1200]
    assert program.read(TEXT).copies(1201) == []


def test_padding_by_hand():
    values = 1200 + 4 * 512 + 2 * 1200 + 4 + 1200
    padded = 8 * 128 * 4 * 4 + 4 * 512 + 4
    assert program.read(TEXT).padding() == pytest.approx(1 - values / padded)
    assert program.read("").padding() == 0
