"""A trained model as numbers: what predicts many rows, and what is exported. Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slope.arrays import Array
from slope.scaling import Scaler


@dataclass(frozen=True)
class TrainedModel:
    """ŷ = z·w + b, where z is x, or x standardized as the training rows were; and the mean taken off the targets."""

    job_id: str
    weights: Array
    """D doubles. An engine that computes in doubles leaves more of their digits than the dtype has."""
    bias: float | None
    dtype: Literal["float32", "float64"]
    target: str
    features: Sequence[str] | None = None
    """Names of the columns of x; None where they came without."""
    scaler: Scaler | None = None
    epoch: int | None = None
    """The epoch after which the model was so; None for the one that the job ended with."""

    @property
    def dtype_of_x(self) -> Literal["float32", "float64"]:
        """What must hold the numbers of x: they are standardized in doubles."""
        return "float64" if self.scaler else self.dtype

    def predict(self, x: Array) -> Array:
        """Predictions (N) for x (N × D), computed in the model's dtype, all rows together.

        They are to rounding what `slope.model.predict_singly` gives (torch adds a row's products in an order of its
        own), and to the bit where there is one feature. What a row gets does not depend on the other rows.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.ascontiguousarray(self.scaler.apply(x) if self.scaler else x, self.dtype)
            sums = np.add.reduce(rows * self.weights.astype(self.dtype), axis=1)
            whole = np.asarray(sums if self.bias is None else sums + np.dtype(self.dtype).type(self.bias), np.float64)
            return whole + self.scaler.target_mean if self.scaler else whole

    @property
    def in_own_units(self) -> tuple[Array, float | None]:
        """Weights (D) and bias that give the same predictions, to rounding, for x as it is."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.scaler.in_own_units(self.weights, self.bias) if self.scaler else (self.weights, self.bias)

    @property
    def tensors(self) -> dict[str, NDArray[np.floating]]:
        """By name: weights (D) and bias () in the model's dtype; means, deviations (D), target_mean () in doubles."""
        found: dict[str, NDArray[np.floating]] = {"weights": self.weights.astype(self.dtype)}
        if self.bias is not None:
            found["bias"] = np.array(self.bias, self.dtype)
        if self.scaler:
            found |= {"means": self.scaler.means, "deviations": self.scaler.deviations}
            if self.scaler.target_mean:
                found["target_mean"] = np.array(self.scaler.target_mean)
        return found
