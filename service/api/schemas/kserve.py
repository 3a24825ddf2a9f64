"""Answers of the Open Inference Protocol, with the names that it gives them."""

from typing import Literal

from pydantic import Field

from slope.answers.view import SparseView, View
from slope.trained import TrainedModel

Datatype = Literal[
    "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"
]  # fmt: skip


def datatype_of(model: TrainedModel) -> Datatype:
    return "FP32" if model.dtype == "float32" else "FP64"


class LiveView(View):
    live: Literal[True] = True
    """It answers."""


class ReadyView(View):
    ready: Literal[True] = True
    """It can be asked."""


class ServerView(View):
    name: str = "slope"
    """Slope's."""
    version: str
    """Slope's."""
    extensions: list[str]
    """Of the protocol, that there are here."""


class TensorView(SparseView):
    name: str
    """`x` or `y`."""
    datatype: Datatype
    """Of its numbers."""
    shape: list[int]
    """-1 where any number is right."""


class InferenceModelView(View):
    name: str
    """The job's id."""
    versions: list[Literal["1"]] = ["1"]
    """A job has one model: the first version of itself."""
    platform: str = Field(default="slope_linear", examples=["slope_linear"])
    """What computes it."""
    inputs: list[TensorView]
    """One tensor: `x`."""
    outputs: list[TensorView]
    """One tensor: `y`."""

    @classmethod
    def of(cls, model: TrainedModel) -> "InferenceModelView":
        datatype = datatype_of(model)
        x = TensorView(name="x", datatype=datatype, shape=[-1, len(model.weights)])
        return cls(name=model.job_id, inputs=[x], outputs=[TensorView(name="y", datatype=datatype, shape=[-1])])


class InferenceModelReadyView(ReadyView):
    name: str
    """The job's id."""


class OutputView(TensorView):
    parameters: dict[str, int] | None = None
    """`binary_data_size`, where the data is behind the JSON."""
    data: list[float | None] | None = None
    """Row by row; numbers that are not finite are null."""


class InferenceAnswerView(SparseView):
    model_name: str
    """The job's id."""
    id: str | None = None
    """Of the request."""
    outputs: list[OutputView]
    """One tensor: `y`."""
