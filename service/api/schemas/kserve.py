"""Answers of the Open Inference Protocol, with the names that it gives them."""

from typing import Literal

from pydantic import Field

from service.api.schemas.view import SparseView, View
from slope.trained import TrainedModel

Datatype = Literal[
    "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"
]  # fmt: skip


def datatype_of(model: TrainedModel) -> Datatype:
    return "FP32" if model.dtype == "float32" else "FP64"


class LiveView(View):
    live: Literal[True] = True


class ReadyView(View):
    ready: Literal[True] = True


class ServerView(View):
    name: str = "slope"
    version: str
    extensions: list[str]


class TensorView(SparseView):
    name: str
    datatype: Datatype
    shape: list[int]
    """-1 where any number is right."""


class InferenceModelView(View):
    name: str
    versions: list[Literal["1"]] = ["1"]
    """A job has one model: the first version of itself."""
    platform: str = Field(default="slope_linear", examples=["slope_linear"])
    inputs: list[TensorView]
    outputs: list[TensorView]

    @classmethod
    def of(cls, model: TrainedModel) -> "InferenceModelView":
        datatype = datatype_of(model)
        x = TensorView(name="x", datatype=datatype, shape=[-1, len(model.weights)])
        return cls(name=model.job_id, inputs=[x], outputs=[TensorView(name="y", datatype=datatype, shape=[-1])])


class InferenceModelReadyView(ReadyView):
    name: str


class OutputView(TensorView):
    parameters: dict[str, int] | None = None
    """`binary_data_size`, where the data is behind the JSON."""
    data: list[float | None] | None = None


class InferenceAnswerView(SparseView):
    model_name: str
    id: str | None = None
    outputs: list[OutputView]
