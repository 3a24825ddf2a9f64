"""A model as a safetensors file: its numbers as they were trained, and what they are of."""

from slope.export.metadata import metadata_of
from slope.trained import TrainedModel


def to_safetensors(model: TrainedModel) -> bytes:
    """Tensors `weights` (D) and `bias` (), and `means` and `deviations` (D, float64) where x was standardized.

    And `target_mean` (float64) where a mean was taken off the targets: it is added to what they predict.
    """
    from safetensors.numpy import save

    return save(model.tensors, metadata_of(model))
