"""A user's program, which type checkers must understand."""

from slope.answers.records import EpochView
from slope.client import AsyncClient, Client, JobFailed


def train(prices: list[float], areas: list[list[float]]) -> list[float]:
    """Every call that a program begins with, and what it answers."""
    with Client("http://127.0.0.1:8000", api_key="secret", timeout=10.0) as client:
        job = client.train(areas, prices, epochs=20, learning_rate=0.1, optimizer={"name": "adam"})
        try:
            job.wait(timeout=60.0, on_epoch=lambda epoch: print(epoch.epoch, epoch.loss))
        except JobFailed as failure:
            print(failure.job.error, failure.job.plan.engine)
        for event in job.watch():
            print(event.gradient_norm if isinstance(event, EpochView) else event.status)
        for other in client.jobs(status="failed"):
            print(other.id, other.error.code if other.error else None)
        plan = client.plan({"dataset": {"x": [1, 2], "y": [2, 4]}})
        print(plan.analysis.exact if plan.analysis else None, client.statistics(job.id).coefficients[0].p)
        return job.weights


async def ask(job_id: str) -> float | None:
    """The same calls, awaited."""
    async with AsyncClient() as client:
        job = await client.job(job_id)
        async for epoch in client.epochs(job.id):
            print(epoch.loss)
        handle = await client.attach(job_id)
        await handle.wait()
        return handle.loss.last
