"""Scikit-learn's digits, turned, scaled, shifted and noisy, so that widths matter.

As they are, nearly any network reads them all; distorted, its widths decide how many. Those to
train with and to test with are made from different digits.
"""

import functools

import numpy as np

SIDE = 8
_TRAIN, _TEST = 15, 10  # distortions of each of 1297 and of 500 digits
_DEGREES, _SCALE, _SHIFT, _NOISE = 25.0, 0.2, 1.0, 0.2  # at most; the last a standard deviation


@functools.cache
def data() -> tuple[np.ndarray, ...]:
    """Images, shape (images, 8, 8, 1), and labels to train with, then to test with."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images, labels = (digits.images[order] / 16).astype(np.float32), digits.target[order]
    train = distorted(images[:1297], labels[:1297], _TRAIN, 1)
    return *train, *distorted(images[1297:], labels[1297:], _TEST, 2)


def distorted(
    images: np.ndarray, labels: np.ndarray, times: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Every image, so many times anew."""
    random = np.random.default_rng(seed)
    out = np.stack([_one(image, random) for _ in range(times) for image in images])
    out = out + _NOISE * random.standard_normal(out.shape)
    return out.astype(np.float32)[..., None], np.tile(labels, times)


def _one(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(random.uniform(-_DEGREES, _DEGREES))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / (1 + random.uniform(-_SCALE, _SCALE))
    centre = np.full(2, (SIDE - 1) / 2)
    offset = centre - matrix @ (centre + random.uniform(-_SHIFT, _SHIFT, 2))
    return affine_transform(image, matrix, offset, order=1)
