"""What hyperparameters in answers look like."""

from slope.spec import TrainingSpec
from slope.spec.training import InitialWeights


class HyperparametersView(TrainingSpec):
    """How a job was trained, or what is common to the jobs of a sweep, or what is a job's own: as it was asked for."""

    initial_weights: InitialWeights | None = "zeros"  # type: ignore[assignment]
    """Null on a page where there are more than 100."""
