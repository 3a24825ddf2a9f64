"""The truth beside the run: the exact solution, the stability limits, and what they mean."""

from slope.analysis.analysis import analyse, analysis_seconds, document_of, loss_of, r_squared, rate_per_row, reached
from slope.analysis.notes import Spread, precision_warnings, rate_warnings, spreads_of, warnings_for
from slope.analysis.of_triangle import analyse_columns, ending_of_triangle, reached_by
from slope.analysis.rates import (
    LATER,
    ChosenRate,
    Curvature,
    choose_rate,
    curvature_of,
    curvature_of_reduced,
    settle_rate,
)
from slope.analysis.shortfall import Ending, few_rows, measure_distance, shortfall
from slope.answers.analysis import Analysis, Distance, Exact, Reached

__all__ = [
    "LATER",
    "Analysis",
    "ChosenRate",
    "Curvature",
    "Distance",
    "Ending",
    "Exact",
    "Reached",
    "Spread",
    "analyse",
    "analyse_columns",
    "analysis_seconds",
    "choose_rate",
    "curvature_of",
    "curvature_of_reduced",
    "document_of",
    "ending_of_triangle",
    "few_rows",
    "loss_of",
    "measure_distance",
    "precision_warnings",
    "r_squared",
    "rate_per_row",
    "rate_warnings",
    "reached",
    "reached_by",
    "settle_rate",
    "shortfall",
    "spreads_of",
    "warnings_for",
]
