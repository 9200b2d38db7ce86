"""How much of what is no product is left to do in a compiled program, by family of operation.

A compiler fuses most elementwise work, normalisation, bias and activation into the product before
it, so that less than its bytes is left; pooling, concatenation and padding it does not.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fusion:
    """Share of the bytes of a family of operations that a program still has to move, >= 0.

    Attributes:
        elementwise, reduction, pooling, movement: of each operand and result once; 0 is fused
            wholly, and above 1 slower than the bandwidth.
        spread: standard deviation of ln(measured / predicted) of whole programs beyond that of
            their layers.
    """

    elementwise: float
    reduction: float
    pooling: float
    movement: float
    spread: float

    def share(self, family: str) -> float:
        """Of an operation that is no product; any other family moves its bytes once."""
        return float(getattr(self, family, 1.0))


# The share of elementwise work was fitted to six networks on a CPU with two cores, and checked on
# twenty-eight others by experiments/zoo/model_zoo.py; what is not fused moves its bytes once.
# XLA's own programs of ten networks on a CPU say as much: 0.30 of all bytes is left of forward
# passes, by the geometric mean. Of backward passes it is 0.90: there fusions compute again, for
# each that reads it, what would be made once, and copy transposed what products take
# (experiments/zoo/bytes_left.py).
BACKWARD_ON_CPU = 3.0  # the one over the other
FUSION = Fusion(elementwise=0.29, reduction=1.0, pooling=1.0, movement=1.0, spread=0.1)
