"""Where energy is least: to a loss for a perceptron, and per quality for a convolutional network.

BUTTER-E's energy of its CPU node, exact; the epochs to a loss follow equation 10 of that paper with
made-up factors, and the quality of the convolutional network saturates with its parameters in a
made-up way.

    python experiments/search/energy.py --out experiments/search/energy
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxcost as jc
from jaxcost import figures
from jaxcost.device import device
from jaxcost.optimize import boundaries, search_figure
from jaxcost.papers.butter_e import DataEfficiency, energy_to_loss
from jaxcost.workload import counts

NODE = device("eagle-cpu")
MODEL = jc.WorkingSetEnergy.butter_e("cpu")
SIZES = np.array([1e3, 1e4, 1e5, 1e6])
EPOCHS = DataEfficiency.fit(SIZES, 20 + 2e4 * SIZES**-0.55)


def perceptron(widths: jax.Array) -> jc.TrainingRun:
    """A perceptron on a data set of the size of MNIST."""
    return jc.training_run(widths, n_observations=70_000)


def to_loss(widths: jax.Array, temperature: float) -> jax.Array:
    """Energy to the loss, in J."""
    return energy_to_loss(MODEL, perceptron(widths), NODE, EPOCHS, temperature=temperature)


def convolutional(widths: jax.Array) -> jc.TrainingRun:
    """Two convolutions and a dense layer on images of 32 by 32 in three colours."""
    layers = jc.cnn(widths, in_h=32, in_w=32, batch_size=64, pool=4, head=[10])
    return jc.TrainingRun(layers, jnp.asarray(60_000.0), jnp.asarray(3072.0), jnp.asarray(10.0))


def per_quality(widths: jax.Array, temperature: float) -> jax.Array:
    """Energy of an epoch for a unit of quality, in J."""
    run = convolutional(widths)
    parameters = jnp.sum(counts.parameters(run.workload))
    return MODEL(run, NODE, temperature=temperature) * (1 + (2e4 / parameters) ** 0.7)


def main() -> None:
    """Both searches, printed and drawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("experiments/search/energy"))
    options = parser.parse_args()
    problems = {
        "loss": (to_loss, perceptron, [(784, 784), (8, 2048), (8, 2048), (10, 10)], "energy"),
        "quality": (per_quality, convolutional, [(3, 3), (8, 512), (8, 512)], "energy / quality"),
    }
    for name, (objective, run, bounds, quantity) in problems.items():
        given = {"run": run, "device": NODE, "method": "gradient", "starts": 32}
        found = jc.search_widths(objective, bounds, **given)
        print(f"{quantity}\n{found}")
        print(boundaries(run, np.array(found.widths), 1, bounds[1], NODE))
        figure = search_figure(
            found, objective, along=1, bounds=bounds[1], run=run, device=NODE,
            width="first hidden width", quantity=quantity, unit="J",
        )  # fmt: skip
        figures.save(figure, options.out.with_name(f"{options.out.name}_{name}.png"))


if __name__ == "__main__":
    main()
