"""What an analysis costs before it is made."""

_OF_ALL, _OF_NUMBER, _OF_REDUCTION, _OF_TRIANGLE = 5e-4, 100e-9, 0.5e-9, 2e-9
"""Seconds as measured on one core: of any; of each number, scaled and looked at; of the N·D·K products of the QR
factorisation; of each of the K³ in the decompositions of what is left, K being the lesser of rows and parameters."""


def analysis_seconds(rows: int, features: int) -> float:
    """About how long `analyse` takes for a dataset of rows × features."""
    left, numbers = min(rows, features + 1), rows * (features + 1)
    return _OF_ALL + _OF_NUMBER * numbers + _OF_REDUCTION * numbers * left + _OF_TRIANGLE * left**3
