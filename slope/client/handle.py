"""What is known of a job, as the service last told it."""

from uuid import UUID

from slope.answers.analysis import Analysis
from slope.answers.jobs import ErrorView, JobView, LossView, ProgressView, SampleView
from slope.answers.metrics import JobMetrics
from slope.answers.plan import Plan
from slope.client.problem import JobFailed
from slope.statuses import FINAL, JobStatus


class Handle:
    """A job. `view` has all that the service told of it; `refresh`, `wait` and `watch` bring it up to date."""

    view: JobView
    """What the service last told."""

    @property
    def id(self) -> UUID:
        """By which calls and commands name it."""
        return self.view.id

    @property
    def name(self) -> str | None:
        """As its sender calls it."""
        return self.view.name

    @property
    def status(self) -> JobStatus:
        """Where it is in its life."""
        return self.view.status

    @property
    def has_ended(self) -> bool:
        """Whether it changes no more."""
        return self.status in FINAL

    @property
    def dataset(self) -> SampleView:
        """What it learns from."""
        return self.view.dataset

    @property
    def progress(self) -> ProgressView:
        """How far it is."""
        return self.view.progress

    @property
    def loss(self) -> LossView:
        """How well it fits."""
        return self.view.loss

    @property
    def metrics(self) -> JobMetrics | None:
        """How well the model predicts the rows of each kind."""
        return self.view.metrics

    @property
    def weights(self) -> list[float]:
        """Of the data in its own units. Raises ValueError before the first epoch."""
        if self.view.weights is None:
            raise ValueError(f"Job {self.id} is {self.status} and has no weights yet: wait for it, or refresh it")
        return self.view.weights

    @property
    def bias(self) -> float | None:
        """None where there is none, and before the first epoch."""
        return self.view.bias

    @property
    def plan(self) -> Plan:
        """How it is trained, and why so."""
        return self.view.plan

    @property
    def analysis(self) -> Analysis | None:
        """What is known of the data, the exact solution among it."""
        return self.view.analysis

    @property
    def error(self) -> ErrorView | None:
        """Why it failed."""
        return self.view.error

    @property
    def warnings(self) -> list[str]:
        """What is peculiar, and what to do."""
        return self.view.warnings

    def raise_unless_succeeded(self) -> None:
        """Raises JobFailed for a job that came to another end."""
        if self.has_ended and self.status != "succeeded":
            raise JobFailed.of(self.view)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.status}>"
