"""`python -m benchmarks.empty_job`: a worker of procrastinate, whose one job does nothing.

It is the least that a job through a queue in SQL can cost.
"""

import os
from typing import LiteralString

from procrastinate import App, PsycopgConnector

JOB = "nothing"
_JOBS_IN_TURNS = 8
"""With several a worker does more a second than with one."""


def application(url: str) -> App:
    """An application that keeps its jobs in a database of PostgreSQL."""
    made = App(connector=PsycopgConnector(conninfo=url))
    made.task(name=JOB)(nothing)
    return made


async def nothing() -> None:
    """Nothing: in the worker's own loop, for a function that is not a coroutine is given to a thread."""


def count_workers(app: App) -> int:
    return _count(app, "SELECT count(*) AS found FROM procrastinate_workers")


def count_left(app: App) -> int:
    return _count(app, "SELECT count(*) AS found FROM procrastinate_jobs WHERE status <> 'succeeded'")


def _count(app: App, question: LiteralString) -> int:
    return app.connector.get_sync_connector().execute_query_one(question)["found"]


if __name__ == "__main__":
    from benchmarks import empty_job  # procrastinate warns of applications that the main module makes

    empty_job.application(os.environ["EMPTY_JOB_DATABASE"]).run_worker(concurrency=_JOBS_IN_TURNS)
