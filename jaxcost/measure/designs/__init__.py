"""Which layers are measured: the paper's sweeps, others, and designs that fill the space."""
