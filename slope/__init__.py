"""Slope, the library: linear regression by gradient descent, with every number kept."""

__version__ = "0.1.0"
