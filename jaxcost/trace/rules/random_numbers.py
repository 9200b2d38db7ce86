"""Random numbers by counting integer operations of their generators.

Threefry-2x32 makes two words in 20 rounds of an addition, a rotation (two shifts and an or) and
an exclusive or, with a first addition of two keys and five injections of three additions.
Source: Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

from jaxcost.trace.work import Site, Work, counted, size, value_bytes

_BLOCK = 20 * 5 + 2 + 5 * 3
_WORDS = 2
_PHILOX_BLOCK = 10 * (2 * 2 + 2 * 2 + 2)  # rounds of two long products, two pairs of xor, key steps


def _threefry(words: float) -> Work:
    return Work(integer_ops=_BLOCK * -(-words // _WORDS))


@counted("random numbers", "random_bits", "rng_bit_generator", "rng_uniform")
def _bits(site: Site) -> Work:
    """As many blocks as fill the result; the compiler's own generator counts as the same."""
    return _threefry(-(-value_bytes(site.outputs[-1]) // 4))


@counted("random numbers", "threefry2x32")
def _threefry_words(site: Site) -> Work:
    return _threefry(2.0 * size(site.outputs[0]))


@counted("random numbers", "threefry4x32", "philox2x32", "philox4x32")
def _other_generators(site: Site) -> Work:
    words = sum(map(size, site.outputs))
    if site.primitive == "threefry4x32":
        return Work(integer_ops=float(words * _BLOCK / _WORDS))
    return Work(integer_ops=float(words * _PHILOX_BLOCK / len(site.outputs)))


@counted("random numbers", "random_split", "random_fold_in", "random_seed")
def _keys(site: Site) -> Work:
    """A block for each key that is made; a seed is taken as it is."""
    made = size(site.outputs[0])
    if site.primitive == "random_seed":
        return Work(bytes_moved=float(value_bytes(site.outputs[0])))
    return _threefry(2.0 * made)
