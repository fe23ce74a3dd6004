"""A compiled schedule is replayed as a person would by hand."""

import jax
import jax.numpy as jnp
import pytest

from parallel.compiled import collectives
from parallel.hlo_program import Array, read_program
from parallel.hlo_work import Work
from parallel.schedule_cost import Machine, predict

# One product takes 1 s, one reduction over four devices 3 s, all else nothing.
MACHINE = Machine(
    flops_per_second=2 * 8**3,
    memory_bytes_per_second=1e12,
    launch_seconds=0.0,
    link_bytes_per_second=256 * 1.5 / 3,
    link_seconds=0.0,
)
HEAD = """HloModule m, is_scheduled=true

ENTRY %main (a: f32[8,8]) -> f32[8,8] {
  %a = f32[8,8]{1,0} parameter(0)
"""
DOT = "lhs_contracting_dims={1}, rhs_contracting_dims={0}"
GROUPS = "replica_groups={{0,1,2,3}}, to_apply=%add"


def _program(*lines):
    return read_program(HEAD + "\n".join(f"  {line}" for line in lines) + "\n}\n")


def _dot(name, operand):
    return f"%{name} = f32[8,8]{{1,0}} dot(%{operand}, %{operand}), {DOT}"


def _start(name, operand):
    return f"%{name} = f32[8,8]{{1,0}} all-reduce-start(%{operand}), {GROUPS}"


def _done(name, operand):
    return f"%{name} = f32[8,8]{{1,0}} all-reduce-done(%{operand})"


def test_what_runs_between_start_and_done_hides_communication():
    program = _program(
        _dot("b", "a"),
        _start("s", "b"),
        _dot("c", "b"),
        _dot("d", "c"),
        _done("r", "s"),
        _dot("e", "r"),
    )
    seen = predict(program, MACHINE)
    assert seen.step_seconds == pytest.approx(1 + 3 + 1)
    assert seen.compute_seconds == pytest.approx(4)
    assert seen.communication_seconds == pytest.approx(3)
    assert seen.exposed_seconds == pytest.approx(1)
    assert seen.hidden_share == pytest.approx(2 / 3)


def test_collectives_wait_for_each_other():
    program = _program(
        _start("s", "a"),
        _start("t", "a"),
        _dot("b", "a"),
        _done("u", "t"),
        _done("v", "s"),
    )
    assert predict(program, MACHINE).step_seconds == pytest.approx(6)


def test_a_synchronous_collective_hides_nothing():
    program = _program(
        _dot("b", "a"),
        f"%r = f32[8,8]{{1,0}} all-reduce(%b), {GROUPS}",
        _dot("c", "a"),
    )
    seen = predict(program, MACHINE)
    assert seen.step_seconds == pytest.approx(5)
    assert seen.hidden_share == 0


def test_a_result_that_nobody_waits_for_still_ends_the_step():
    program = _program(_start("s", "a"), _dot("b", "a"), _done("r", "s"))
    assert predict(program, MACHINE).step_seconds == pytest.approx(3)


def test_a_program_without_communication_has_nothing_to_hide():
    seen = predict(_program(_dot("b", "a")), MACHINE)
    assert seen.hidden_share == 1
    assert seen.exposed_seconds == 0


def test_text_without_a_schedule_predicts_nothing():
    text = (HEAD + "}").replace(", is_scheduled=true", "")
    with pytest.raises(ValueError, match="not scheduled"):
        predict(read_program(text), MACHINE)


def test_loops_count_their_trips():
    def looped(x):
        return jax.lax.scan(lambda x, _: (jnp.tanh(x @ x), None), x, None, length=5)[0]

    text = jax.jit(looped).lower(jnp.ones((8, 8))).compile().as_text()
    assert predict(read_program(text), MACHINE).compute_seconds == pytest.approx(
        5, rel=1e-3
    )


def _flops(function, *arguments):
    program = read_program(jax.jit(function).lower(*arguments).compile().as_text())
    work = Work(program)
    return sum(
        work.flops(program.entry, i) for i in program.computations[program.entry]
    )


def test_products_and_convolutions_are_counted_in_what_xla_compiles():
    x, w = jnp.ones((16, 32)), jnp.ones((32, 8))
    assert _flops(lambda x, w: jnp.tanh(x @ w), x, w) == 2 * 16 * 32 * 8
    images, kernel = jnp.ones((2, 16, 16, 3)), jnp.ones((5, 5, 3, 7))

    def convolve(x, k):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=numbers
        )

    expected = 2 * (2 * 16 * 16 * 7) * (5 * 5 * 3)
    assert _flops(convolve, images, kernel) == expected


CALLS = [
    ("__cudnn$convForward", "(f32[1,8,8,4]{3,2,1,0}, u8[0]{0})", "x", "k"),
    ("__cudnn$convBackwardInput", "(f32[1,8,8,2]{3,2,1,0}, u8[0]{0})", "y", "k"),
    ("__cudnn$convBackwardFilter", "(f32[4,3,3,2]{3,2,1,0}, u8[0]{0})", "x", "y"),
]


@pytest.mark.parametrize(("target", "result", "first", "second"), CALLS)
def test_a_convolution_and_its_gradients_do_the_same_work(
    target, result, first, second
):
    program = _program(
        "%x = f32[1,8,8,2]{3,2,1,0} parameter(1)",
        "%y = f32[1,8,8,4]{3,2,1,0} parameter(2)",
        "%k = f32[4,3,3,2]{3,2,1,0} parameter(3)",
        f"%z = {result} custom-call(%{first}, %{second}), window={{size=3x3}}, "
        f'dim_labels=b01f_o01i->b01f, custom_call_target="{target}"',
    )
    flops = Work(program).flops("main", program.computations["main"][-1])
    assert flops == 2 * (8 * 8 * 4) * (3 * 3 * 2)


def test_a_matrix_product_of_a_library_is_counted():
    line = (
        "%z = (f32[8,8]{1,0}, s8[4]{0}) custom-call(%a, %a), "
        'custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":'
        '{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"],'
        '"rhs_contracting_dimensions":["0"]}}}'
    )
    program = _program(line)
    flops = Work(program).flops("main", program.computations["main"][-1])
    assert flops == 2 * 8**3


def test_arrays_know_their_bytes():
    assert Array("bf16", (3, 4)).num_bytes == 24
    assert Array("pred", (5,)).num_bytes == 5
    assert Array("s4", (8,)).num_bytes == 4
    assert Array("f8e4m3fn", (8,)).num_bytes == 8
    assert str(Array("f32", (3, 4))) == "f32[3,4]"


def test_a_sparse_cores_reduction_begins_when_it_is_given_its_data():
    """It is started long before, and its own computation is not listed twice."""
    text = """HloModule m, is_scheduled=true

%inner (x: f32[8,8]) -> f32[8,8] {
  %x = f32[8,8]{1,0} parameter(0)
  ROOT %sum = f32[8,8]{1,0} all-reduce(%x), replica_groups={{0,1,2,3}}, to_apply=%add
}

ENTRY %main (a: f32[8,8]) -> f32[8,8] {
  %a = f32[8,8]{1,0} parameter(0)
  %s = ((), (), s32[999]{0}) custom-call-start(), called_computations={%inner}
  %b = f32[8,8]{1,0} dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %u = ((f32[8,8]{1,0}), f32[8,8]{1,0}, s32[999]{0}) custom-call-update(%s, %b)
  %c = f32[8,8]{1,0} dot(%b, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %r = f32[8,8]{1,0} custom-call-done(%u)
}
"""
    program = read_program(text)
    (one,) = collectives(program)
    assert (one.kind, one.num_bytes, one.computation) == ("all-reduce", 256, "main")
    assert (one.start, one.done) == (3, 5)
    seen = predict(program, MACHINE)
    assert seen.step_seconds == pytest.approx(1 + 3)
    assert seen.compute_seconds == pytest.approx(2)
    early = "  %e = f32[8,8]{1,0} all-reduce(%a), replica_groups={{0,1,2,3}}\n  %u ="
    issued = collectives(read_program(text.replace("  %u =", early)))
    assert [one.name for one in issued] == ["e", "s"]
