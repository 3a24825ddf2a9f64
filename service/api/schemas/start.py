"""What the service says of itself and of its problems."""

from slope.answers.view import View


class ServiceView(View):
    name: str = "Slope"
    description: str = "Linear regressions trained on demand, with every gradient and loss on record"
    version: str
    links: dict[str, str]
    """Where it goes on."""


class MeaningView(View):
    type: str
    """Its address, as problems have it."""
    title: str
    status: int
    meaning: str
    """What has happened, and what to do."""
