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
# twenty-eight others by experiments/zoo/model_zoo.py; what is not fused moves its bytes once. It is
# for devices whose compiler's rules are not known here; for a CPU they are (jaxcost.trace.fusion).
FUSION = Fusion(elementwise=0.29, reduction=1.0, pooling=1.0, movement=1.0, spread=0.1)
# Of the mean bandwidth, what a CPU gets in a backward pass, which reads back what was written long
# before; and in all of a program, by calibrations that did not tell cache and memory apart. Fitted
# to six networks: forward passes took as long as all bytes that are counted would at the first, of
# which XLA leaves 0.30 (experiments/zoo/bytes_left.py).
OUT_OF_CACHE = 0.29
# What it gets of it where another axis becomes the innermost one, as of operands that are laid out
# anew for gradients: 1.9 to 15 GB/s for sums of one to eight arrays of 1 to 5 MB beside 29 to 90
# GB/s in their order and 28 from memory, on two cores of an AMD EPYC
# (experiments/speed/laid_out_anew.py).
AGAINST_ORDER = 0.2
