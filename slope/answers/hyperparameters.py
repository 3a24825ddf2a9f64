"""Hyperparameters in answers."""

from typing import Annotated, Any

from pydantic import BaseModel

from slope.answers.view import DocumentedAs


def _view() -> type[BaseModel]:
    from slope.answers.hyperparameters_view import HyperparametersView  # takes longer to load than all other answers

    return HyperparametersView


Hyperparameters = Annotated[dict[str, Any], DocumentedAs(_view)]
"""As the database has them: an older version may have written them, and nothing is checked at every poll."""
