"""Recomputing the papers' tables and figures: one module a paper, each with `reproduce`."""

from jaxcost.reproduce import alpha_flops, butter_e, inference_trends
from jaxcost.reproduce.summary import Reproduction, SummaryRow, write_summary

PAPERS = {
    "alpha-flops": alpha_flops.reproduce,
    "butter-e": butter_e.reproduce,
    "inference-trends": inference_trends.reproduce,
}

__all__ = ["PAPERS", "Reproduction", "SummaryRow", "write_summary"]
