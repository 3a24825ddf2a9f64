"""Lengths of time, as options of commands and settings have them."""

from datetime import timedelta

import typer

from service.commands.remote.connection import need_server


def read_span(text: str, option: str | None = None, or_else: str = "") -> timedelta:
    """Raises BadParameter, which names the option, and what else it takes."""
    need_server()
    from service.setting_values import parse_span

    try:
        return parse_span(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}{or_else}", param_hint=option) from error
