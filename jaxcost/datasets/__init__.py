"""Published measurements as tables: what papers print, and data sets kept by their authors."""

from jaxcost.datasets.alpha_flops_data import alpha_flops
from jaxcost.datasets.papers import published

__all__ = ["alpha_flops", "published"]
