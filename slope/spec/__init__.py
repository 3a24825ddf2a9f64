"""The language all floors speak: a training job as its sender writes it. Free of torch."""

from slope.spec.data import DatasetReference, InlineData
from slope.spec.faults import Fault, faults_of, invalid
from slope.spec.job import Device, JobRequest
from slope.spec.optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
)
from slope.spec.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    Schedule,
    Step,
)
from slope.spec.sweep import SweepRequest
from slope.spec.training import EarlyStopping, Recording, TrainingSpec

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "DatasetReference",
    "Device",
    "EarlyStopping",
    "Exponential",
    "Fault",
    "InlineData",
    "InverseScaling",
    "JobRequest",
    "Optimizer",
    "RMSprop",
    "Recording",
    "Schedule",
    "Step",
    "SweepRequest",
    "TrainingSpec",
    "faults_of",
    "invalid",
]
