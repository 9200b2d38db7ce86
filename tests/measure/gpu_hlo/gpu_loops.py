"""What XLA makes of the timing loops on an NVIDIA GPU, compiled without one.

    python tests/measure/gpu_hlo/gpu_loops.py [--write tests/measure/gpu_hlo]

Needs JAX's CUDA plugin (`pip install jax-cuda13-plugin jax-cuda13-pjrt` of JAX's version) and no
GPU; where CUDA's own libraries are missing set JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1. Without a device
nothing is autotuned, so that a real one may choose other kernels for the same layers.

For each layer: what `work_in_loop` finds, how many kernels a step has, and whether a kernel writes
a whole operand where the loop replaces a few hundred bytes of it.
"""

import argparse
import functools
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

import jaxcost as jc
from jaxcost._support.files import write_text
from jaxcost.measure.clock.hlo import work_in_loop
from jaxcost.measure.clock.operations import operation
from jaxcost.measure.clock.programs import Loop, _loop_builder, chained_loop

# An H100 as NVIDIA's data sheet and CUDA's programming guide describe it.
_CAPABILITY = "major: 9 feature_extension: ACCELERATED_FEATURES"
_DEVICE = {
    "threads_per_block_limit": 1024, "threads_per_warp": 32, "threads_per_core_limit": 2048,
    "shared_memory_per_block": 48 << 10, "shared_memory_per_block_optin": 227 << 10,
    "shared_memory_per_core": 228 << 10, "registers_per_core_limit": 1 << 16,
    "registers_per_block_limit": 1 << 16, "core_count": 132, "fpus_per_core": 128,
    "block_dim_limit_x": 2**31 - 1, "block_dim_limit_y": 65535, "block_dim_limit_z": 65535,
    "memory_bandwidth": 3352 * 10**9, "l2_cache_size": 50 << 20, "clock_rate_ghz": 1.98,
    "device_memory_size": 80 << 30,
}  # fmt: skip
_MAP = {"batch": 32, "in_h": 28, "in_w": 28, "c_in": 64}
LAYERS = {
    "dense": jc.LayerSpec(op="dense", batch=512, c_in=256, c_out=512),
    "dense_split_k": jc.LayerSpec(op="dense", batch=64, c_in=12800, c_out=12800, dtype="bfloat16"),
    "dense_vector": jc.LayerSpec(op="dense", c_in=512, c_out=512),
    "conv": jc.LayerSpec(op="conv2d", in_h=100, in_w=100, c_in=50, c_out=100, k_h=3, k_w=3),
    "depthwise": jc.LayerSpec(op="conv2d", **_MAP, c_out=64, k_h=3, k_w=3, groups=64),
    "elementwise": jc.LayerSpec(op="elementwise", **_MAP, c_out=64),
    "reduction": jc.LayerSpec(op="reduction", **_MAP, c_out=64),
    "normalisation": jc.LayerSpec(op="normalisation", **_MAP, c_out=64, dtype="bfloat16"),
    "pooling": jc.LayerSpec(op="pooling", **_MAP, c_out=64, k_h=3, k_w=3, stride=2),
    "gather": jc.LayerSpec(op="gather", batch=300, c_in=500, c_out=24),
}
LIBRARY = ("dense",)
WRITTEN = (
    "dense", "dense_split_k", "dense_vector", "conv", "elementwise", "elementwise_fused",
    "normalisation", "gather",
)  # fmt: skip
_GPU: Any = SimpleNamespace(platform="gpu")


def main() -> None:
    """Compiles and prints; with --write keeps the texts that the tests read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    fused = functools.partial(chained_loop, at_once=2)
    print(f"{'layer':18} {'work found in the loop':32} kernels a step")
    for name, layer in (LAYERS | {"elementwise_fused": LAYERS["elementwise"]}).items():
        build = fused if name.endswith("_fused") else _loop_builder(layer, _GPU)
        for library in (False, True) if name in LIBRARY else (False,):
            text = stripped(compiled(layer, build, library))
            outputs, inputs = (math.prod(s) for s in (layer.output_shape, layer.input_shape))
            work = work_in_loop(text, outputs, op=layer.op, input_elements=inputs)
            label = name + "_library" * library
            warning = "and rewrites an operand" * rewrites_operand(text)
            print(f"{label:18} {work!s:32} {kernels_in_a_step(text)} {warning}")
            if options.write and name in WRITTEN:
                one = functools.partial(build, at_once=1)  # half as long, the same kernels
                text = stripped(compiled(layer, one, library))
                write_text(options.write / f"{label}.txt", text)


def compiled(layer: jc.LayerSpec, build: Callable[[Any], Loop], library: bool = False) -> str:
    """The optimised module of a layer's loop for the GPU described above.

    Args: library: whether products are left to cuBLAS, as autotuning may decide.
    """
    from jax.experimental import topologies

    config = "\n".join(f"{name}: {value}" for name, value in _DEVICE.items())
    target = (
        f"gpu_device_info {{ {config}\ncuda_compute_capability {{ {_CAPABILITY} }} }}\n"
        'platform_name: "CUDA"\ndnn_version_info { major: 9 minor: 10 }\n'
        'device_description_str: "NVIDIA H100 80GB HBM3"'
    )
    topology = topologies.get_topology_desc(platform="cuda", topology="1x1x1", target_config=target)
    place = jax.sharding.SingleDeviceSharding(topology.devices[0])
    shapes = [
        ((), "int32"), ((), "bool"), (layer.input_shape, layer.dtype),
        (layer.weight_shape, layer.weight_dtype), (layer.output_shape, layer.dtype),
    ]  # fmt: skip
    operands = [jax.ShapeDtypeStruct(s, jnp.dtype(d), sharding=place) for s, d in shapes]
    loop = jax.jit(build(operation(layer)), donate_argnums=(2, 3, 4))
    flags = {"xla_gpu_enable_triton_gemm": not library}
    return loop.lower(*operands).compile(compiler_options=flags).as_text()


def stripped(text: str) -> str:
    """The module without what tells where in the source it comes from."""
    start = re.search(r"^%?\w[^\n]*\{$", text[text.find("\n") :], re.MULTILINE)
    body = text[text.find("\n") + start.start() :] if start else text
    body = re.sub(r', (metadata|frontend_attributes|sharding)=\{(?:[^{}"]|"[^"]*")*\}', "", body)
    return text.splitlines()[0].split(",")[0] + "\n\n" + body.strip() + "\n"


def kernels_in_a_step(text: str) -> int:
    """Instructions of the loop's body that start a kernel, where one loop stands in another, of
    the inner."""
    found = []
    for name in re.findall(r" while\(.*body=%?([\w.\-]+)", text):
        body = text.split(f"\n%{name} (", 1)[1].split("\n}", 1)[0]
        found.append(len(re.findall(r" (?:fusion|custom-call|copy)\(", body)))
    return max(found, default=0)


def rewrites_operand(text: str) -> bool:
    """Whether one kernel updates an operand and makes the result: only others update in place."""
    for body in re.split(r"^\}", text, flags=re.MULTILINE):
        root = re.search(r"ROOT \S+ = .* tuple\((.*)\)", body)
        updates = re.findall(r"(%\S+) = \S+ dynamic-update-slice\(", body)
        if not root or not updates or " while(" in body or "parameter(0)" not in body:
            continue
        parts = re.findall(r"%[\w.\-]+", root.group(1))
        if set(parts) & set(updates) and set(parts) - set(updates):
            return True
    return False


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
