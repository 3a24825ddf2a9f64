"""Requests that work as they stand, for the documentation."""

from fastapi.openapi.models import Example

JOB_REQUESTS: dict[str, Example] = {
    "lecture": {
        "summary": "The lecture: y = x·w from w = 1",
        "value": {
            "name": "lecture",
            "dataset": {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]},
            "hyperparameters": {
                "epochs": 10,
                "learning_rate": 0.01,
                "batch_size": 1,
                "fit_bias": False,
                "initial_weights": [1.0],
            },
            "predict": [4.0],
            "metadata": {"course": "autograd"},
        },
    },
    "two features": {
        "summary": "Two features and a bias, full batch, float64",
        "value": {
            "dataset": {"x": [[1.0, 0.5], [2.0, -0.5], [3.0, 1.0], [4.0, 0.0]], "y": [3.0, 2.5, 6.0, 6.5]},
            "hyperparameters": {"epochs": 200, "learning_rate": 0.1, "batch_size": "full", "dtype": "float64"},
            "predict": [[5.0, 1.0]],
        },
    },
    "mini-batches": {
        "summary": "Shuffled mini-batches with Adam and a falling rate",
        "value": {
            "dataset": {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": [1.0, 3.1, 4.9, 7.2, 9.0, 10.8]},
            "hyperparameters": {
                "epochs": 100,
                "learning_rate": 0.1,
                "batch_size": 2,
                "shuffle": True,
                "seed": 7,
                "optimizer": {"name": "adam"},
                "schedule": {"name": "exponential", "gamma": 0.98},
            },
        },
    },
}

GRAPH_REQUESTS: dict[str, Example] = {
    "lecture": {
        "summary": "The lecture: (x·w − y)² at x = 1, w = 1, y = 2",
        "value": {"expression": "(x*w - y)**2", "values": {"x": 1.0, "y": 2.0, "w": 1.0}, "requires_grad": ["w"]},
    },
    "from above": {
        "summary": "One node, and the gradient 5 that arrives from above",
        "value": {"expression": "x*y", "values": {"x": 2.0, "y": 3.0}, "upstream": 5.0},
    },
    "neuron": {
        "summary": "A neuron: both ways of w come together",
        "value": {
            "expression": "tanh(x*w + b) + 0.1*w**2",
            "values": {"x": 2.0, "w": -0.5, "b": 0.3},
            "requires_grad": ["w", "b"],
        },
    },
    "names": {
        "summary": "Results with names: c is used twice, and one node",
        "value": {"expression": "c = a + b; d = a*b + b**3; c += c + 1; (d - c)**2", "values": {"a": -4.0, "b": 2.0}},
    },
}

_LINE = {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": [1.0, 3.1, 4.9, 7.2, 9.0, 10.8]}

RERUN_PATCHES: dict[str, Example] = {
    "as it was": {"summary": "The same again", "value": {}},
    "slower": {
        "summary": "With a smaller rate, more epochs and a name of its own",
        "value": {"name": "slower", "hyperparameters": {"learning_rate": 0.005, "epochs": 40}},
    },
}

SWEEP_REQUESTS: dict[str, Example] = {
    "grid": {
        "summary": "Every combination of two hyperparameters: six jobs, trained together",
        "value": {
            "name": "rates",
            "dataset": _LINE,
            "hyperparameters": {"epochs": 50, "batch_size": "full"},
            "grid": {"learning_rate": [0.001, 0.01, 0.05], "l2": [0.0, 0.1]},
        },
    },
    "settings": {
        "summary": "Three settings, of which two share the order of their batches and train together",
        "value": {
            "dataset": _LINE,
            "hyperparameters": {"epochs": 20, "learning_rate": 0.02},
            "settings": [{"l1": 0.1}, {"l1": 0.2}, {"optimizer": {"name": "adam"}, "batch_size": 3}],
        },
    },
}

PREDICT_REQUESTS: dict[str, Example] = {
    "points": {
        "summary": "Two points of the lecture's model, after the fourth epoch",
        "value": {"x": [4.0, 5.0], "epoch": 3},
    },
    "interval": {
        "summary": "Two points, and where a new y is with a probability of 95 %",
        "value": {"x": [4.0, 5.0], "interval": {"kind": "prediction", "level": 0.95}},
    },
    "dataset": {
        "summary": "All rows of a stored dataset",
        "value": {"dataset": {"id": "0199a20a-32d3-7725-8abe-b61c9657a327"}},
    },
}

INFERENCE_REQUESTS: dict[str, Example] = {
    "rows": {
        "summary": "Two rows of one feature",
        "value": {"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [4.0, 5.0]}]},
    },
}

INVOCATIONS: dict[str, Example] = {
    "inputs": {"summary": "Rows of numbers", "value": {"inputs": [[4.0], [5.0]]}},
    "dataframe_split": {
        "summary": "A frame, its columns by name",
        "value": {"dataframe_split": {"columns": ["x"], "data": [[4.0], [5.0]]}},
    },
    "dataframe_records": {"summary": "Records", "value": {"dataframe_records": [{"x": 4.0}, {"x": 5.0}]}},
}
