"""The truth beside the run: the exact solution, the stability limits, and what they mean."""

from slope.analysis.analysis import analyse, loss_of, r_squared, reached
from slope.analysis.notes import warnings_for
from slope.analysis.result import Analysis, Exact, Reached

__all__ = ["Analysis", "Exact", "Reached", "analyse", "loss_of", "r_squared", "reached", "warnings_for"]
