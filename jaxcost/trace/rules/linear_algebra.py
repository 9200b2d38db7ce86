"""Factorisations and Fourier transforms, by textbook counts of the leading terms.

For m >= n; of complex matrices four times as much. Source: Golub, Van Loan (2013), Matrix
computations, 4th edition: Cholesky 4.2, LU 3.4, triangular systems 3.1, QR and the product of its
reflectors 5.2, Hessenberg 7.4, Schur and eigenvalues 7.5, symmetric eigenvalues 8.3, singular
values figure 8.6.1; tridiagonal systems 4.3. Fourier transform: 5 N log2 N, as FFTW reports.
"""

import math

from jaxcost.trace.work import Site, Work, counted, is_complex, shape, size

_COMPLEX = 4


def _matrices(site: Site, operand: int = 0) -> tuple[int, int, int]:
    """How many matrices there are, with their longer side and their shorter one."""
    *batch, rows, columns = shape(site.inputs[operand])
    return math.prod(batch), max(rows, columns), min(rows, columns)


def _flops(site: Site, amount: float) -> Work:
    return Work(other_flops=amount * (_COMPLEX if is_complex(site.inputs[0]) else 1))


@counted("linear algebra", "cholesky")
def _cholesky(site: Site) -> Work:
    many, _, n = _matrices(site)
    return _flops(site, many * n**3 / 3)


@counted("linear algebra", "cholesky_update")
def _cholesky_update(site: Site) -> Work:
    many, _, n = _matrices(site)
    return _flops(site, many * 2.0 * n**2)


@counted("linear algebra", "lu")
def _lu(site: Site) -> Work:
    many, m, n = _matrices(site)
    return _flops(site, many * (m * n**2 - n**3 / 3))


@counted("linear algebra", "triangular_solve")
def _triangular(site: Site) -> Work:
    """n² for each right-hand side."""
    n = shape(site.inputs[0])[-1]
    return _flops(site, float(size(site.inputs[1]) * n))


@counted("linear algebra", "qr", "geqrf", "geqp3")
def _qr(site: Site) -> Work:
    """The triangle alone 2 n² (m - n/3); with the orthonormal factor, where it is asked for."""
    many, m, n = _matrices(site)
    triangle = 2 * n**2 * (m - n / 3)
    if site.primitive != "qr":
        return _flops(site, many * triangle)
    columns = m if site.params.get("full_matrices") else n
    return _flops(site, many * (triangle + _reflectors(m, columns, n)))


@counted("linear algebra", "householder_product")
def _householder(site: Site) -> Work:
    *batch, m, columns = shape(site.inputs[0])
    return _flops(site, math.prod(batch) * _reflectors(m, columns, shape(site.inputs[1])[-1]))


def _reflectors(m: int, columns: int, k: int) -> float:
    """The product of k reflectors of length m, its first `columns` columns."""
    return 4 * m * columns * k - 2 * (m + columns) * k**2 + 4 * k**3 / 3


@counted("linear algebra", "ormqr")
def _apply_reflectors(site: Site) -> Work:
    """4 m k for each column, less the zeros of the reflectors."""
    *batch, m, columns = shape(site.inputs[-1])
    k = shape(site.inputs[1])[-1]
    return _flops(site, math.prod(batch) * columns * (4.0 * m * k - 2.0 * k**2))


@counted("linear algebra", "eigh")
def _symmetric(site: Site) -> Work:
    """Eigenvalues and vectors by symmetric QR: 9 n³."""
    many, _, n = _matrices(site)
    return _flops(site, many * 9.0 * n**3)


@counted("linear algebra", "eig")
def _eigen(site: Site) -> Work:
    """10 n³ for the eigenvalues, 25 n³ with vectors on either side."""
    many, _, n = _matrices(site)
    left = site.params.get("compute_left_eigenvectors", False)
    vectors = left or site.params.get("compute_right_eigenvectors", False)
    return _flops(site, many * (25.0 if vectors else 10.0) * n**3)


@counted("linear algebra", "schur")
def _schur(site: Site) -> Work:
    many, _, n = _matrices(site)
    return _flops(site, many * (25.0 if site.params.get("compute_schur_vectors") else 10.0) * n**3)


@counted("linear algebra", "hessenberg")
def _hessenberg(site: Site) -> Work:
    many, _, n = _matrices(site)
    return _flops(site, many * 10 * n**3 / 3)


@counted("linear algebra", "tridiagonal")
def _tridiagonal(site: Site) -> Work:
    many, _, n = _matrices(site)
    return _flops(site, many * 4 * n**3 / 3)


@counted("linear algebra", "tridiagonal_solve")
def _tridiagonal_solve(site: Site) -> Work:
    """8 n for each right-hand side: elimination, and back."""
    return _flops(site, 8.0 * size(site.inputs[-1]))


@counted("linear algebra", "svd")
def _singular(site: Site) -> Work:
    """Values alone 4 m n² - 4 n³ / 3; thin factors 14 m n² + 8 n³; full 4 m² n + 8 m n² + 9 n³."""
    many, m, n = _matrices(site)
    if not site.params.get("compute_uv", True):
        return _flops(site, many * (4 * m * n**2 - 4 * n**3 / 3))
    if site.params.get("full_matrices", True) and m > n:
        return _flops(site, many * (4.0 * m**2 * n + 8 * m * n**2 + 9 * n**3))
    return _flops(site, many * (14.0 * m * n**2 + 8 * n**3))


@counted("linear algebra", "symmetric_product")
def _symmetric_product(site: Site) -> Work:
    """Half of a product: n² k, and its addition."""
    *batch, n, k = shape(site.inputs[0])
    return _flops(site, float(math.prod(batch) * n * (n + 1) * k))


@counted("Fourier transform", "fft")
def _fourier(site: Site) -> Work:
    """5 N log2 N a transform of N complex numbers; half of it where one side is real."""
    length = math.prod(site.params["fft_lengths"])
    real = not (is_complex(site.inputs[0]) and is_complex(site.outputs[0]))
    axes = len(site.params["fft_lengths"])
    many = math.prod(shape(site.inputs[0])[:-axes])
    amount = 5 * length * math.log2(length) if length > 1 else 0.0
    return Work(other_flops=many * amount * (0.5 if real else 1.0))
