"""Answers that are held back until a job ends."""

import asyncio

from service.api.answers import Answer, Answers
from service.api.watch import JobWatch
from service.store.tables import Job


async def until_final(answers: Answers, watch: JobWatch, job: Job, seconds: float) -> Answer:
    """The answer for the job when it has ended, or as it stands when time is up."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    version, is_final = job.version, job.is_final
    while not is_final and (left := deadline - clock()) > 0 and not watch.closing.is_set():
        await watch.changed(job.id, version, left)
        answer = await answers.of(job.id)
        version, is_final = answer.version, answer.is_final
    return await answers.of(job.id)
