"""Programs of eight devices, run apart since a process has as many as it began with: prints what
is counted of each, and what the compiler says that one device computes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxcost as jc

DEVICES = np.array(jax.devices())
GRID = Mesh(DEVICES.reshape(4, 2), ("data", "model"))
ROW = Mesh(DEVICES, ("data",))
EVERYWHERE = P()
X, W = jax.ShapeDtypeStruct((16, 32), jnp.float32), jax.ShapeDtypeStruct((32, 64), jnp.float32)


def mapped(function, *specs, out=EVERYWHERE, mesh=GRID, **more):
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, **more)


def collectives(x):
    return (
        lax.all_gather(x, "data"),
        lax.psum_scatter(x, "data", tiled=True),
        lax.ppermute(x, "data", [(0, 1), (1, 2), (2, 3), (3, 0)]),
        lax.pmean(x, ("data", "model")),
        lax.all_to_all(x, "model", 0, 0, tiled=True),
    )


def looped(x, w):
    """Three sums over devices, one a step."""
    return lax.scan(lambda c, _: (lax.psum(jnp.tanh(c @ w @ w.T), "data"), None), x, None, 3)[0]


def loss(w, x):
    return jnp.sum(mapped(lambda w, x: x @ w, P(), P("data"), out=P("data"))(w, x))


ROWS = NamedSharding(ROW, P("data"))
EXPLICIT = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
HELD = jnp.ones(W.shape)
SPLIT = jax.device_put(HELD, NamedSharding(ROW, P(None, "data")))
SQUARES = jax.ShapeDtypeStruct((8, 4, 4), jnp.float32)
PROGRAMS = {
    "rows": (mapped(lambda x, w: x @ w, P("data"), P(), out=P("data"), mesh=ROW), X, W),
    "grid": (
        mapped(lambda x, w: lax.psum(x @ w, "model"), P("data", "model"), P("model"),
               out=P("data")),
        X, W,
    ),
    "in a jit": (jax.jit(mapped(lambda x, w: x @ w, P("data"), P(), out=P("data"))), X, W),
    "pmap": (jax.pmap(lambda x: lax.psum(x @ x, "i"), "i"), SQUARES),
    "gradient": (jax.grad(loss), W, X),
    "loop": (mapped(looped, P("data"), P(), out=P("data"), check_vma=False), X, W),
    "collectives": (mapped(collectives, P("data"), out=P("data"), check_vma=False), X),
    "partly": (
        mapped(lambda x, w: lax.psum(x @ w, "data"), P("data"), P(), axis_names={"data"}), X, W,
    ),
    "one device": (
        mapped(lambda x: lax.psum(x @ x.T, "d"), P(), mesh=Mesh(DEVICES[:1], ("d",))), X,
    ),
    "shardings of jit": (jax.jit(jnp.dot, in_shardings=(ROWS, None), out_shardings=ROWS), X, W),
    "constraint": (lambda x, w: lax.with_sharding_constraint(x, ROWS) @ w, X, W),
    "arrays": (jax.jit(jnp.dot), jax.device_put(jnp.ones(X.shape), ROWS), W),
    "shapes": (jax.jit(jnp.dot), jax.ShapeDtypeStruct(X.shape, X.dtype, sharding=ROWS), W),
    "parameters": (
        lambda p, x: x @ p["w"],
        {"w": jax.device_put(jnp.ones(W.shape), NamedSharding(ROW, P(None, "data")))}, X,
    ),
    "explicit": (
        jax.jit(jnp.dot), jax.device_put(jnp.ones(X.shape), NamedSharding(EXPLICIT, P("data"))),
        jax.device_put(jnp.ones(W.shape), NamedSharding(EXPLICIT, P())),
    ),
    "shardings of a closure": (jax.jit(lambda x: x @ HELD, in_shardings=(ROWS,)), X),
    "closed-over arrays": (lambda x: x @ SPLIT, X),
    "an array elsewhere": (jax.jit(jnp.dot), jax.device_put(jnp.ones(X.shape), DEVICES[3]), W),
}  # fmt: skip


def shown(function, *shapes, closed=False):
    found = jc.count(function, *shapes)
    estimated = jc.estimate(function, *shapes, calibration="quadro-t2000").record()
    compiled = jax.jit(function).lower(*shapes).compile().cost_analysis()
    return {
        "count": found.record(),
        "backward": jc.count(function, *shapes, backward=True).devices if closed else None,
        "estimate": {name: estimated[name] for name in ("unknown", "warnings", "devices")},
        "priced": [operation.primitive for operation in found.operations],
        "compiled": compiled["flops"],
    }


if __name__ == "__main__":
    print(
        json.dumps({n: shown(*program, closed="closure" in n) for n, program in PROGRAMS.items()})
    )
