"""Lengths of time, as options of commands and settings have them."""

import re
from datetime import timedelta
from typing import Annotated, Literal

import typer

from slope.spans import parse_span

_NUMBER = re.compile(r"[0-9]{1,8}(\.[0-9]{1,8})?")


def read_span(
    text: str, option: str | None = None, or_else: str = "", *, plain: Literal["hours"] | None = None
) -> timedelta:
    """Raises BadParameter, which names the option, and what else it takes.

    `plain`: what a number alone means to an option that took nothing else before.
    """
    try:
        if plain and _NUMBER.fullmatch(text.strip()):
            return timedelta(**{plain: float(text)})
        return parse_span(text)
    except (OverflowError, ValueError) as error:
        raise typer.BadParameter(f"{error}{or_else}", param_hint=option) from error


Age = Annotated[
    timedelta, typer.Option(parser=read_span, metavar="AGE", help="As in 30d, 12h, 90m", show_default=False)
]
