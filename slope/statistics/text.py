"""Statistics for a terminal."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields

from slope.answers.statistics import Coefficient, Influence, InfluentialRow, Statistics

_WIDTH = 100


def text_of(told: Statistics) -> str:
    """The fit in two columns, the coefficients as a table, and the notes."""
    title = "The exact least-squares solution on the rows trained on"
    return _page(title, [*_fit(told), "", *_coefficients(told)], told.notes)


def text_of_influence(told: Influence) -> str:
    """PRESS, the rows as a table, and the notes."""
    columns = [field.name for field in fields(InfluentialRow)]
    rows = [[str(row), *(figure(each) for each in numbers)] for row, *numbers in map(astuple, told.data)]
    press = f"PRESS {figure(told.press)}, R² of rows not learnt from {figure(told.predicted_r_squared)}"
    title = f"The rows that hold the exact solution, of {told.rows} trained on, by {told.by}"
    return _page(title, [press, "", *table_lines([columns, *rows], left=0)], told.notes)


def _page(title: str, lines: Sequence[str], notes: Sequence[str]) -> str:
    wrapped = [line for note in notes for line in textwrap.wrap(f"- {note}", _WIDTH, subsequent_indent="  ")]
    return "\n".join([title, "", *lines, *([""] if wrapped else []), *wrapped]) + "\n"


def figure(value: float | None, digits: int = 6) -> str:
    """Nothing where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def table_lines(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Columns of one width, of which the first are aligned to the left, and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_aligned(row, widths, left)).rstrip() for row in rows]


def _aligned(row: Sequence[str], widths: Sequence[int], left: int) -> Iterable[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if place < left else cell.rjust(width)


def _fit(told: Statistics) -> list[str]:
    f = told.f
    facts = [
        ("rows", str(told.rows)),
        ("degrees of freedom", figure(told.degrees_of_freedom)),
        ("residual deviation", figure(told.residual_deviation)),
        (f"R² ({told.r_squared_kind})", figure(told.r_squared)),
        ("adjusted R²", figure(told.adjusted_r_squared)),
        ("Durbin-Watson", figure(told.durbin_watson)),
        ("F", figure(f.value if f else None)),
        ("p of F", figure(f.p if f else None, 3)),
        ("log-likelihood", figure(told.log_likelihood)),
        ("AIC", figure(told.aic)),
        ("BIC", figure(told.bic)),
        ("condition index", figure(max((each for each in told.condition_indices if each is not None), default=None))),
    ]
    half = len(facts) // 2
    rows = [(*one, " ", *other) for one, other in zip(facts[:half], facts[half:], strict=True)]
    names, others = (max(len(row[place]) for row in rows) for place in (0, 3))
    return [f"{a:<{names}}  {b:>12}    {c:<{others}}  {d:>12}" for a, b, _, c, d in rows]


def _coefficients(told: Statistics) -> list[str]:
    ratio, percent = "t" if told.distribution == "t" else "z", f"{100 * told.level:g} %"
    header = ["", "estimate", "std. error", ratio, "p", f"{percent} from", "to", "VIF", "trained", "distance"]
    rows = [_cells(each) for each in told.coefficients]
    errors = "" if told.covariance == "nonrobust" else f"Standard errors: {told.covariance}."
    return [*([errors, ""] if errors else []), *table_lines([header, *rows])]


def _cells(row: Coefficient) -> list[str]:
    numbers = [figure(each) for each in (row.estimate, row.standard_error)]
    numbers += [figure(row.t, 4), figure(row.p, 3), figure(row.lower), figure(row.upper), figure(row.vif, 4)]
    return [row.name, *numbers, figure(row.trained), figure(row.distance, 3)]
