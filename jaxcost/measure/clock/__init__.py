"""Timing: programs of one layer, the clock, what spoils a timing, proofs of the work done."""
