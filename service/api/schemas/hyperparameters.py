"""Hyperparameters in answers."""

from typing import Annotated, Any

from service.api.schemas.view import DocumentedAs
from slope.spec import TrainingSpec
from slope.spec.training import InitialWeights


class HyperparametersView(TrainingSpec):
    """How a job was trained, or what is common to the jobs of a sweep, or what is a job's own: as it was asked for."""

    initial_weights: InitialWeights | None = "zeros"  # type: ignore[assignment]
    """Null on a page where there are more than 100."""


Hyperparameters = Annotated[dict[str, Any], DocumentedAs(HyperparametersView)]
"""As the database has them: an older version may have written them, and nothing is checked at every poll."""
