"""The report: one HTML file that needs nothing else, and the tables and words it is made of."""

from jaxcost.app.report.page import render, write_report
from jaxcost.app.report.study import Study

__all__ = ["Study", "render", "write_report"]
