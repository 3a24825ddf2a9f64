"""Uses the client that openapi-python-client made: python program.py URL. What it finds it prints as JSON."""

import json
import sys

from slope_client import Client
from slope_client.api.jobs import get_job, list_jobs, plan_job, submit_job
from slope_client.api.records import list_epochs
from slope_client.models import (
    Adam,
    InlineData,
    JobRequest,
    JobRequestMetadata,
    JobView,
    ListJobsMetadata,
    ProblemView,
    TrainingSpec,
)

client = Client(sys.argv[1], raise_on_unexpected_status=True, timeout=90)
metadata = JobRequestMetadata.from_dict({"made": "by openapi-python-client"})
spec = TrainingSpec(epochs=5, learning_rate=0.1, batch_size="full", optimizer=Adam(name="adam", betas=[0.9, 0.99]))
data = InlineData(x=[1.0, 2.0, 3.0], y=[2.0, 4.0, 6.0])
request = JobRequest(dataset=data, hyperparameters=spec, predict=[4.0], metadata=metadata)

draft = plan_job.sync(client=client, body=request)
job = submit_job.sync(client=client, body=request, prefer="wait=60")
assert isinstance(job, JobView), job
epochs = list_epochs.sync(job.id, client=client)
again = submit_job.sync(
    client=client,
    body=JobRequest(dataset=data, hyperparameters=TrainingSpec.from_dict(job.hyperparameters.to_dict())),
)
found = list_jobs.sync(
    client=client, metadata=ListJobsMetadata.from_dict({"metadata[made]": "by openapi-python-client"})
)
missing = get_job.sync("01a216f6-7e94-733b-aab1-78471dd1a01c", client=client)
assert isinstance(missing, ProblemView), missing

print(
    json.dumps(
        {
            "planned": draft.plan.steps,
            "status": job.status.value,
            "optimizer": job.hyperparameters.optimizer.to_dict(),
            "losses": [epoch.loss for epoch in epochs.data],
            "again": again.hyperparameters == job.hyperparameters,
            "found": [str(each.id) for each in found.data] == [str(job.id)],
            "missing": missing.type_,
        }
    )
)
