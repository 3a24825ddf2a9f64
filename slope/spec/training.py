"""The hyperparameters of a training run, with their defaults and the rules between them."""

from collections.abc import Hashable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from slope.spec.faults import invalid
from slope.spec.held_rows import Ranges, common_row, rows_in
from slope.spec.optimizers import LBFGS, SGD, Optimizer
from slope.spec.part import Count, FewFaults, Fraction, NonNegative, Part, Positive, refuse_overflow
from slope.spec.schedules import Constant, Schedule

MAX_EPOCHS = 10_000_000
MAX_SEED = 2**32 - 1

Parameter = Literal["weights", "bias"]
Loss = Literal["squared_error", "absolute_error", "huber"]
Engine = Annotated[
    Literal["auto", "eager", "reduced", "composed", "compiled", "fused"],
    BeforeValidator(lambda name: FORMER_ENGINES.get(name, name) if isinstance(name, str) else name),
]
FORMER_ENGINES = {"blocked": "compiled"}
"""Names that jobs of earlier versions have, and what does their work now."""


def _is_empty(value: Any) -> bool:
    return bool(value == [])


def _word_or_value(value: Any) -> str:
    return "word" if isinstance(value, str) else "value"


# A list of one word in the document, for openapi-python-client makes a lone constant of a union refuse all others.
Full = Annotated[Literal["full"], Tag("word"), WithJsonSchema({"enum": ["full"], "type": "string"})]
Auto = Annotated[Literal["auto"], Tag("word"), WithJsonSchema({"enum": ["auto"], "type": "string"})]
# A discriminator, so that a wrong value is reported once and not once for every branch.
BatchSize = Annotated[Annotated[Count, Tag("value")] | Full, Discriminator(_word_or_value)]
Start = Annotated[Literal["zeros", "normal"], Tag("word")]
LearningRate = Annotated[Annotated[Positive, Tag("value")] | Auto, Discriminator(_word_or_value)]
InitialWeights = Annotated[Annotated[list[float], FewFaults, Tag("value")] | Start, Discriminator(_word_or_value)]
InitialBias = Annotated[Annotated[float, Tag("value")] | Start, Discriminator(_word_or_value)]


class EarlyStopping(Part):
    """Stop after `patience` epochs in which the loss did not fall by more than `min_delta`."""

    patience: Count = 10
    """This many epochs in a row may pass without a fall of the loss."""
    min_delta: NonNegative = 0.0
    """A fall is by more than this."""


class Recording(Part):
    """Which steps and epochs are kept. What is not kept is recomputed when it is asked for."""

    steps: Literal["auto", "all", "none"] = "auto"
    """`auto` keeps every step while that is a million numbers or less."""
    every: Count = 1
    """Keep every n-th epoch; the first and the last always."""


class TrainingSpec(Part):
    """How to train: everything that, with the data, determines every number of the run."""

    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 10
    """Passes over the data."""
    learning_rate: LearningRate = "auto"
    """Of the first epoch: a number, or "auto", which chooses one by the curvature of the loss before the first epoch.
    A job then has the number that was chosen, and its plan says by which rule."""
    batch_size: BatchSize = 1
    """Rows a step; more than there are means all of them, as "full" does."""
    shuffle: bool = False
    """Whether the rows come in another order in every epoch."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Of all that is drawn: the order of rows, initial values, the rows that are held back."""
    optimizer: Optimizer = SGD()
    """Plain gradient descent by default."""
    schedule: Schedule = Constant()
    """The same rate in every epoch by default."""
    loss: Loss = "squared_error"
    """Of a row: (ŷ − y)², |ŷ − y|, or Huber's."""
    huber_delta: Positive = 1.0
    """Where Huber's loss turns from a square into a line."""
    l1: NonNegative = 0.0
    """Penalty on the weights: l1·‖w‖₁."""
    l2: NonNegative = 0.0
    """Penalty on the weights: l2·‖w‖²."""
    fit_bias: bool = True
    """Whether the model has a bias."""
    initial_weights: InitialWeights = "zeros"
    """Numbers are in the data's units, standardized or not, as a job's own `weights` are, and zeros beside them, too;
    what is drawn is drawn for the data as it is trained on."""
    initial_bias: InitialBias = "zeros"
    """A number, or how it is chosen."""
    frozen: Annotated[list[Parameter], FewFaults] = Field(default=[])
    """Parameters that do not learn: their `requires_grad` is false, their gradient null."""
    zero_gradients: Literal["step", "epoch", "never"] = "step"
    """When gradients are set to zero; in between they add up, as autograd has it."""
    standardize: bool = False
    """Whether the columns are brought to mean 0 and deviation 1 for training."""
    validation_fraction: Fraction = 0.0
    """Part of the rows that is held back, and that no step learns from."""
    test_fraction: Fraction = 0.0
    """Part of the rows that nothing looks at before the run has ended: the metrics tell how well it predicts them."""
    validation_rows: Ranges = Field(default=[], examples=[[[80, 100]]], exclude_if=_is_empty)
    """In the place of a fraction: the rows that are held back, as ranges [first, stop), counted from 0."""
    test_rows: Ranges = Field(default=[], examples=[[[60, 80]]], exclude_if=_is_empty)
    """In the place of a fraction: the rows that nothing looks at before the run has ended, as ranges."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch."""
    clip_norm: Positive | None = None
    """Longer gradients are cut to this norm."""
    dtype: Literal["float32", "float64"] = "float32"
    """In which the steps are computed."""
    engine: Engine = "auto"
    """How the steps are computed: `auto` takes the fastest way that applies, and the plain loop below a second."""
    record: Recording = Recording()
    """Every epoch by default, and every step while that is a million numbers or less."""

    @property
    def rate(self) -> float:
        """The learning rate as a number. Raises ValueError while nobody has chosen it."""
        if self.learning_rate == "auto":
            raise ValueError("The learning rate is still to be chosen: slope.analysis.settle_rate does it")
        return self.learning_rate

    def at_rate(self, rate: float) -> Self:
        """The same with another learning rate."""
        return self.model_copy(update={"learning_rate": rate})

    @property
    def validates(self) -> bool:
        """Whether rows are held back to watch the training by."""
        return self.validation_fraction > 0 or bool(self.validation_rows)

    @property
    def tests(self) -> bool:
        """Whether rows are kept for the end."""
        return self.test_fraction > 0 or bool(self.test_rows)

    @property
    def holds_back(self) -> bool:
        """Whether some rows are not trained on."""
        return self.validates or self.tests

    @property
    def names_rows(self) -> bool:
        """Whether it says itself which rows are held back."""
        return bool(self.validation_rows or self.test_rows)

    @property
    def split(self) -> Hashable:
        """Equal for specs that, with one seed, hold back the same rows."""
        ranges = tuple(tuple(map(tuple, each)) for each in (self.validation_rows, self.test_rows))
        return self.validation_fraction, self.test_fraction, *ranges

    def held_back(self, rows: int) -> tuple[int, int]:
        """Of this many rows, how many it validates with, and how many it tests with at the end."""
        if self.names_rows:
            return rows_in(self.validation_rows), rows_in(self.test_rows)
        return round(self.validation_fraction * rows), round(self.test_fraction * rows)

    @property
    def is_proximal(self) -> bool:
        """Whether l1 is taken in after each step, and is no part of the gradient."""
        return self.l1 > 0 and isinstance(self.optimizer, SGD) and self.optimizer.l1_step == "proximal"

    @property
    def schedule_counts_steps(self) -> bool:
        return not isinstance(self.schedule, Constant) and self.schedule.per == "step"

    @property
    def learns_bias(self) -> bool:
        return self.fit_bias and "bias" not in self.frozen

    def keeps_epoch(self, epoch: int) -> bool:
        """Whether the record of an epoch is kept: every n-th, the first and the last."""
        return epoch % self.record.every == 0 or epoch == self.epochs - 1

    @model_validator(mode="after")
    def _leaves_something_to_learn(self) -> Self:
        learnable = {"weights", "bias"} if self.fit_bias else {"weights"}
        if not learnable - set(self.frozen):
            raise invalid(("frozen",), "Every parameter is frozen: nothing is left to train")
        if not self.fit_bias and "bias" in self.frozen:
            raise invalid(("frozen",), "There is no bias to freeze: fit_bias is false")
        if not self.fit_bias and self.initial_bias != "zeros":
            raise invalid(("initial_bias",), "There is no bias to start from: fit_bias is false")
        return self

    @model_validator(mode="after")
    def _says_what_is_held_back_one_way(self) -> Self:
        if not self.names_rows:
            return self
        if self.validation_fraction or self.test_fraction:
            name = "validation_fraction" if self.validation_fraction else "test_fraction"
            raise invalid((name,), "Rows are held back by fractions or by ranges: leave one of the two out")
        if (row := common_row(self.validation_rows, self.test_rows)) is not None:
            raise invalid(("test_rows",), f"Row {row} is one to validate with already")
        return self

    @model_validator(mode="after")
    def _suits_its_optimizer(self) -> Self:
        if not isinstance(self.optimizer, LBFGS):
            return self
        if self.zero_gradients != "step":
            raise invalid(
                ("zero_gradients",), "lbfgs evaluates the loss many times a step: its gradients cannot accumulate"
            )
        if self.clip_norm is not None:
            raise invalid(("clip_norm",), "lbfgs searches along its own direction: its gradients cannot be clipped")
        return self

    @model_validator(mode="after")
    def _fits_its_dtype(self) -> Self:
        refuse_overflow(self.dtype, (), self.model_dump())
        return self
