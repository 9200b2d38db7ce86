"""Recomputing the papers' tables and figures: one module a paper, each with `reproduce`."""

from jaxcost.papers import alpha_flops, butter_e, inference_trends
from jaxcost.papers.summary import Reproduction, SummaryRow, write_summary

PAPERS = {
    "alpha-flops": alpha_flops.reproduce,
    "butter-e": butter_e.reproduce,
    "inference-trends": inference_trends.reproduce,
}
WITHOUT_DATA = ("inference-trends",)  # all that they need is here

__all__ = ["PAPERS", "WITHOUT_DATA", "Reproduction", "SummaryRow", "write_summary"]
