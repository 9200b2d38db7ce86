"""Published measurements as tables: what papers print, and data sets kept by their authors."""

from jaxcost._support.published import published
from jaxcost.papers.alpha_flops.data import alpha_flops
from jaxcost.papers.butter_e.data import butter_e_isolines, butter_e_runs

__all__ = ["alpha_flops", "butter_e_isolines", "butter_e_runs", "published"]
