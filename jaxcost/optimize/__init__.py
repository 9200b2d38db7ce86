"""Choosing widths by what they cost: searches, Pareto fronts, penalties in training."""
