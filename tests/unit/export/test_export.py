"""Models as files, read back by the libraries they are for."""

import json
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import safetensors.numpy
import skops.io
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from slope.data import prepare
from slope.export.json_document import to_json
from slope.export.onnx_file import to_onnx
from slope.export.safetensors_file import to_safetensors
from slope.export.skops_file import to_skops
from slope.loop import Training
from slope.model import predict_singly
from slope.scaling import Scaler
from slope.spec import TrainingSpec
from slope.trained import TrainedModel

DTYPES: Any = ["float32", "float64"]
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
unhurried = settings(deadline=None, max_examples=40)


@st.composite
def models(draw: st.DrawFn) -> TrainedModel:
    """Any finite numbers, names and scaler."""
    features, dtype = draw(st.integers(1, 6)), draw(st.sampled_from(DTYPES))
    number = st.floats(allow_nan=False, allow_infinity=False, width=32 if dtype == "float32" else 64)
    double = st.floats(allow_nan=False, allow_infinity=False)
    vector = arrays(np.float64, features, elements=number)
    positive = st.floats(1e-300, 1e300)
    scaler = st.builds(
        Scaler,
        arrays(np.float64, features, elements=double),
        arrays(np.float64, features, elements=positive),
    )
    names = st.lists(st.text(st.characters(codec="utf-8")), min_size=features, max_size=features)
    return TrainedModel(
        job_id="0199",
        weights=draw(vector),
        bias=draw(st.none() | number),
        dtype=dtype,
        target=draw(st.text(st.characters(codec="utf-8"))),
        features=draw(st.none() | names),
        scaler=draw(st.none() | scaler),
        epoch=draw(st.none() | st.integers(0, 9)),
    )


def bits(values: Any) -> list[str]:
    return [float(value).hex() for value in np.ravel(values)]


# safetensors and JSON hold every number


@unhurried
@given(models())
def test_safetensors_own_loader_reads_every_bit_and_label(model: TrainedModel) -> None:
    content = to_safetensors(model)
    tensors = safetensors.numpy.load(content)
    assert tensors["weights"].dtype == np.dtype(model.dtype)
    assert tensors["weights"].shape == model.weights.shape
    assert bits(tensors["weights"]) == bits(model.weights)
    assert tensors.keys() - {"weights", "means", "deviations"} == (set() if model.bias is None else {"bias"})
    if model.bias is not None:
        assert tensors["bias"].shape == ()
        assert bits(tensors["bias"]) == bits(model.bias)
    if model.scaler:
        assert bits(tensors["means"]) == bits(model.scaler.means)
        assert bits(tensors["deviations"]) == bits(model.scaler.deviations)


@unhurried
@given(models())
def test_safetensors_metadata_says_what_the_numbers_are_of(tmp_path_factory: Any, model: TrainedModel) -> None:
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    file.write_bytes(to_safetensors(model))
    with safetensors.safe_open(file, "numpy") as opened:
        labels = opened.metadata()
    assert (labels["job_id"], labels["dtype"], labels["target"]) == ("0199", model.dtype, model.target)
    assert json.loads(labels.get("features", "null")) == (None if model.features is None else list(model.features))
    assert ("scaler" in labels) == (model.scaler is not None)
    assert labels.get("epoch") == (None if model.epoch is None else str(model.epoch))


@unhurried
@given(models())
def test_json_has_every_number_twice_each_time_to_the_bit(model: TrainedModel) -> None:
    document = json.loads(json.dumps(to_json(model)))
    own = [document, document["hexadecimal"]]
    scaled = [each["scaled"] for each in own]
    for read, numbers, in_scale in zip((float, float.fromhex), own, scaled, strict=True):
        trained = in_scale or numbers
        assert bits([read(each) for each in trained["weights"]]) == bits(model.weights)
        assert (trained["bias"] is None) == (model.bias is None)
        if model.bias is not None:
            assert bits(read(trained["bias"])) == bits(model.bias)
        if model.scaler:
            assert bits([read(each) for each in in_scale["means"]]) == bits(model.scaler.means)
            assert bits([read(each) for each in in_scale["deviations"]]) == bits(model.scaler.deviations)


# ONNX, as onnxruntime runs it


def run(content: bytes, x: Any) -> Any:
    """Silent: it warns on standard error of machines that it does not know."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[session.get_inputs()[0].type]
    (y,) = session.run(["y"], {"x": x.astype(kind)})
    assert y.dtype == kind
    return y


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(1, 12)), elements=st.floats(-1e5, 1e5, width=32)),
    st.sampled_from(DTYPES),
    st.booleans(),
    st.booleans(),
)
@example(np.zeros((1, 1), np.float32), "float64", False, True)  # a lone deviation, which onnxruntime would round
def test_onnxruntime_predicts_what_we_predict(x: Any, dtype: Any, fit_bias: bool, standardize: bool) -> None:
    features = x.shape[1]
    random = np.random.RandomState(features)
    scaler = Scaler(1e4 * random.standard_normal(features), random.exponential(size=features)) if standardize else None
    weights = random.standard_normal(features).astype(dtype).astype(float)
    model = TrainedModel("job", weights, 0.25 if fit_bias else None, dtype, "y", None, scaler)
    z = scaler.apply(x.astype(float)) if scaler else x.astype(float)
    size = np.abs(z) @ np.abs(weights) + 1.0  # of what is added: where it cancels, the sum's own size says nothing
    assert (np.abs(run(to_onnx(model), x) - model.predict(x.astype(float))) <= TOLERANCE[dtype] * size).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [None, 0.25])
def test_onnxruntime_adds_the_mean_of_the_targets(dtype: Any, bias: float | None) -> None:
    scaler = Scaler(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 1e9)
    model = TrainedModel("job", np.array([0.5, -2.0]), bias, dtype, "y", None, scaler)
    x = np.array([[1.0, 2.0], [10.0, -6.0]], dtype)
    assert run(to_onnx(model), x).tolist() == model.predict(x.astype(float)).astype(dtype).tolist()


@given(models())
@unhurried
def test_every_onnx_file_is_valid_and_labelled(model: TrainedModel) -> None:
    file = onnx.load_from_string(to_onnx(model))
    onnx.checker.check_model(file, full_check=True)
    labels = {each.key: each.value for each in file.metadata_props}
    assert (labels["job_id"], labels["target"]) == ("0199", model.target)
    assert json.loads(labels.get("features", "null")) == (None if model.features is None else list(model.features))


# A real data set, all the way


def diabetes(dtype: str, standardize: bool) -> tuple[Any, TrainingSpec, TrainedModel, list[float]]:
    """442 patients with ten measurements each, in their own units, and what the worker would predict for them."""
    x, y = load_diabetes(return_X_y=True, scaled=False)
    rate = 0.1 if standardize else 1e-6
    spec = TrainingSpec.model_validate(
        {"epochs": 30, "batch_size": "full", "learning_rate": rate, "dtype": dtype, "standardize": standardize}
    )
    data = prepare(x, y, spec)
    training = Training(data, spec)
    assert list(training.epochs())
    weights, bias = training.result
    model = TrainedModel(
        "job", np.array(weights), bias, spec.dtype, "progression", load_diabetes().feature_names, data.scaler
    )
    return x, spec, model, predict_singly(training.result, x.tolist(), spec, data.scaler)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_of_real_data_predicts_the_same_everywhere(dtype: str, standardize: bool) -> None:
    x, _, model, expected = diabetes(dtype, standardize)
    x32 = x.astype(np.float32).astype(float)  # an ONNX model of float32 is given float32
    ours = model.predict(x32 if dtype == "float32" else x)
    assert run(to_onnx(model), x) == pytest.approx(ours, rel=TOLERANCE[dtype])
    assert model.predict(x) == pytest.approx(expected, rel=TOLERANCE[dtype])

    regression = skops.io.loads(to_skops(model))
    assert type(regression) is LinearRegression
    assert list(regression.feature_names_in_) == list(model.features or [])
    regression.__dict__.pop("feature_names_in_")  # it would warn of an array that has no names
    assert regression.predict(x) == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-10)


def test_a_regression_without_names_takes_plain_arrays() -> None:
    regression = skops.io.loads(to_skops(TrainedModel("job", np.array([2.0, -1.0]), None, "float64", "y")))
    assert regression.predict([[3.0, 1.0]]).tolist() == [5.0]
    assert regression.intercept_ == 0.0
    assert type(regression.intercept_) is np.float64
    assert not regression.fit_intercept
