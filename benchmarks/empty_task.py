"""A Celery application whose one task does nothing: the least that a job through Celery can cost."""

import os

from celery import Celery

TASK = "nothing"


def application(broker_url: str) -> Celery:
    """Messages in one database of the broker, results in another, both apart from the product's."""
    made = Celery("empty", broker=f"{broker_url}/1", backend=f"{broker_url}/2")
    made.conf.update(task_serializer="json", accept_content=["json"], broker_connection_retry_on_startup=True)
    return made


app = application(os.environ.get("EMPTY_TASK_BROKER", ""))


@app.task(name=TASK)
def nothing() -> None:
    """Nothing; its result tells the caller that it has been done."""
