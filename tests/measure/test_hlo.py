"""What an optimised loop proves; texts of a GPU are XLA's own, see gpu_hlo/README.md."""

import re
from pathlib import Path

import pytest

from jaxcost.measure.clock.hlo import work_in_loop

GPU = Path(__file__).parent / "gpu_hlo"

RESULT = "ROOT %r = f32[8,8]{1,0} get-tuple-element(%while), index=1"
FUSED = """%fused (p: f32[8,8]) -> f32[8,8] {
  ROOT %c.1 = f32[8,8]{1,0} convolution(%p, %q), window={size=3x3}, dim_labels=b01f_01io->b01f
}

"""


@pytest.mark.parametrize(
    ("line", "work"),
    [
        ("%d = f32[8,8]{1,0} dot(%a, %b), lhs_contracting_dims={1}", "dot"),
        ("ROOT %c = f32[1,8,8,1]{3,2,1,0} convolution(%a, %b), window={size=3x3}", "convolution"),
        (
            '%g = (f32[8,8], s8[4]) custom-call(%a), custom_call_target="__cublas$lt$matmul"',
            "custom-call:__cublas$lt$matmul",
        ),
        (
            '%g = f32[8,8] custom-call(%a), custom_call_target="__cudnn$convForward"',
            "custom-call:__cudnn$convForward",
        ),
        ("%m = f32[64,2]{1,0} multiply(%a, %b)", "multiply"),
    ],
)
def test_the_operation_is_found_in_the_body(hlo_loop, line, work):
    assert work_in_loop(hlo_loop(line, RESULT), output_elements=64) == work


@pytest.mark.parametrize(
    "line",
    [
        "%s = f32[8,8]{1,0} select(%p, %a, %b)",
        "%m = f32[7,8]{1,0} multiply(%a, %b)",
        '%t = f32[8,8] custom-call(%a), custom_call_target="TopK"',
        '%d = f32[8,8]{1,0} add(%a, %b), metadata={op_name="jit(loop)/dot_general"}',
    ],
)
def test_what_is_no_product_is_not_taken_for_one(hlo_loop, line):
    assert work_in_loop(hlo_loop(line, RESULT), output_elements=64) is None


def test_an_operation_outside_the_loop_does_not_count(hlo_loop):
    outside = "ROOT %d = f32[8,8]{1,0} dot(%a, %b), lhs_contracting_dims={1}"
    assert work_in_loop(hlo_loop("%s = s32[] add(%i, %j)", outside), 64) is None


def test_a_program_without_a_loop_has_no_work_in_it():
    assert (
        work_in_loop("ENTRY %main (x: f32[2]) -> f32[2] {\n %d = f32[2] dot(%x, %y)\n}", 2) is None
    )


@pytest.mark.parametrize("calls", ["calls=%fused", "to_apply=%fused", "calls={%other, %fused}"])
def test_fusions_and_calls_of_the_body_are_followed(hlo_loop, calls):
    text = FUSED + hlo_loop(f"%f = f32[8,8]{{1,0}} fusion(%a), kind=kCustom, {calls}", RESULT)
    assert work_in_loop(text, 64) == "convolution"


SUM = "%s = f32[8]{0} reduce(%large, %zero), dimensions={1}, to_apply=%add"
LARGE = "%large = f32[8,8]{1,0} get-tuple-element(%arg), index=1"
SMALL = "%large = f32[8,7]{1,0} get-tuple-element(%arg), index=1"
SCALED = "%m = f32[8,8]{1,0} multiply(%a, %b)"


@pytest.mark.parametrize(
    ("op", "body", "output", "work"),
    [
        ("elementwise", SCALED, 64, "multiply"),
        ("elementwise", SCALED, 65, None),
        ("elementwise", "%s = f32[8,8]{1,0} select(%p, %a, %b)", 64, None),
        ("elementwise", "%c = f32[8,8]{1,0} copy(%a)", 64, None),
        ("reduction", f"{LARGE}\n  {SUM}", 8, "reduce"),
        ("reduction", f"{SMALL}\n  {SUM}", 8, None),
        ("reduction", "%s = f32[8] reduce(f32[8,8]{1,0} %x, f32[] %zero)", 8, None),
        ("normalisation", f"{LARGE}\n  {SUM}\n  {SCALED}", 64, "reduce+multiply"),
        ("normalisation", f"{LARGE}\n  {SUM}", 64, None),
        ("normalisation", SCALED, 64, None),
        ("pooling", "%w = f32[4,4]{1,0} reduce-window(%a, %b), window={}", 16, "reduce-window"),
        ("pooling", "%w = f32[4,3]{1,0} reduce-window(%a, %b), window={}", 16, None),
        ("gather", "%g = bf16[8,8]{1,0} gather(%a, %b), offset_dims={1}", 64, "gather"),
        ("gather", "%g = f32[1,64]{1,0} dynamic-slice(%a, %b, %c)", 64, "dynamic-slice"),
        ("gather", "%g = f32[8,8]{1,0} dynamic-update-slice(%a, %b, %c)", 64, None),
    ],
)
def test_every_part_of_another_operation_must_be_there_in_full(hlo_loop, op, body, output, work):
    assert work_in_loop(hlo_loop(body, RESULT), output, op=op, input_elements=64) == work


def test_another_operation_outside_the_loop_does_not_count(hlo_loop):
    text = hlo_loop("%s = s32[] add(%i, %j)", f"ROOT {SCALED}")
    assert work_in_loop(text, 64, op="elementwise", input_elements=64) is None


def test_operands_are_found_where_their_shapes_are_printed(hlo_loop):
    text = hlo_loop(f"{LARGE}\n  %s = f32[8] reduce(f32[8,8]{{1,0}} %large, f32[] %zero)", RESULT)
    assert work_in_loop(text, 8, op="reduction", input_elements=64) == "reduce"


GPU_WORK = {  # elements of result and of input, the operation, and what does its work
    "dense": (512 * 512, 512 * 256, "dense", "dot"),
    "dense_library": (512 * 512, 512 * 256, "dense", "custom-call:__cublas$lt$matmul"),
    "dense_split_k": (64 * 12800, 64 * 12800, "dense", "dot"),
    "dense_vector": (512, 512, "dense", "multiply"),
    "conv": (100 * 100 * 100, 100 * 100 * 50, "conv2d", "custom-call:__cudnn$convForward"),
    "elementwise": (32 * 28 * 28 * 64, 32 * 28 * 28 * 64, "elementwise", "multiply"),
    "normalisation": (32 * 28 * 28 * 64, 32 * 28 * 28 * 64, "normalisation", "reduce+multiply"),
    "gather": (300 * 24, 500 * 24, "gather", "gather"),
}


def gpu_text(name):
    return (GPU / f"{name}.txt").read_text()


def without(text, *opcodes):
    """The module with these operations turned into ones that do no such work."""
    return re.sub(rf"\s({'|'.join(opcodes)})\(", " negate(", text)


@pytest.mark.parametrize("name", GPU_WORK)
def test_the_work_is_found_in_loops_compiled_for_a_gpu(name):
    outputs, inputs, op, work = GPU_WORK[name]
    assert work_in_loop(gpu_text(name), outputs, op=op, input_elements=inputs) == work


@pytest.mark.parametrize("name", GPU_WORK)
def test_loops_of_a_gpu_without_the_work_prove_nothing(name):
    outputs, inputs, op, _ = GPU_WORK[name]
    heavy = ("dot", "custom-call", "multiply", "maximum", "reduce", "gather")
    text = without(gpu_text(name), *heavy)
    assert work_in_loop(text, outputs, op=op, input_elements=inputs) is None


@pytest.mark.parametrize("name", GPU_WORK)
def test_no_kernel_of_a_gpus_loop_writes_an_operand_anew(name):
    assert not updates_beside_other_results(gpu_text(name))


def test_without_a_barrier_one_would():
    assert updates_beside_other_results(gpu_text("elementwise_fused"))


def updates_beside_other_results(text):
    """Whether a fusion returns an updated operand and something else: it is not done in place."""
    tuples = re.findall(r"ROOT %\S+ = (\(.*\)) tuple\((.*)\)", text)
    updates = set(re.findall(r"(%\S+) = \S+ dynamic-update-slice\(", text))
    parts = [set(re.findall(r"%[\w.\-]+", names)) for _, names in tuples]
    return any(part & updates and part - updates for part in parts)


# As XLA's own tests write what its pass for CUDA graphs makes of a sequence of kernels.
COMMAND_BUFFER = """%fused_product (p: f32[8,8], q: f32[8,8]) -> f32[8,8] {
  %p = f32[8,8]{1,0} parameter(0)
  %q = f32[8,8]{1,0} parameter(1)
  ROOT %d = f32[8,8]{1,0} dot(%p, %q), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%command_buffer (p.1: f32[8,8], q.1: f32[8,8]) -> f32[8,8] {
  %p.1 = f32[8,8]{1,0} parameter(0)
  %q.1 = f32[8,8]{1,0} parameter(1)
  ROOT %f = f32[8,8]{1,0} fusion(%p.1, %q.1), kind=kCustom, calls=%fused_product, \
backend_config={"fusion_backend_config":{"kind":"__cudnn$fusion"}}
}

"""


def test_command_buffers_of_the_body_are_followed(hlo_loop):
    line = "%c = f32[8,8]{1,0} call(%a, %b), to_apply=%command_buffer"
    assert work_in_loop(COMMAND_BUFFER + hlo_loop(line, RESULT), 64) == "dot"
    assert work_in_loop(COMMAND_BUFFER + hlo_loop("%s = s32[] add(%i, %j)", RESULT), 64) is None


@pytest.mark.parametrize(
    "target", ["__cublas$gemm", "__cublas$lt$matmul$f8", "__cudnn$convForwardGraph"]
)
def test_libraries_of_a_gpu_are_known_by_their_names(hlo_loop, target):
    line = f'%g = (f32[8,8]{{1,0}}, s8[4]{{0}}) custom-call(%a, %b), custom_call_target="{target}"'
    assert work_in_loop(hlo_loop(line, RESULT), 64) == f"custom-call:{target}"
