"""Published measurements as tables: what papers print, and data sets kept by their authors."""

from jaxcost.datasets.alpha_flops_data import alpha_flops
from jaxcost.datasets.butter_e import butter_e_isolines, butter_e_runs
from jaxcost.datasets.papers import published

__all__ = ["alpha_flops", "butter_e_isolines", "butter_e_runs", "published"]
