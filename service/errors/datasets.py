"""Errors about datasets and the tables that they are made of."""

from uuid import UUID

from service.errors.base import Damaged, ServiceError
from service.errors.requests import InvalidRequest


class DatasetCameWithJob(ServiceError):
    """The rows came with a job, and go with it. Upload them as a dataset to give them a name."""

    status = 409
    type = "dataset-came-with-job"
    title = "The dataset is a job's own"

    def __init__(self) -> None:
        super().__init__("The rows came with a job: upload them as a dataset to give them a name")


class InvalidTable(InvalidRequest):
    """The file is no table that can be learnt from as it is. `errors` name the row and the column, and `detail` the
    option that helps."""

    type = "invalid-table"
    title = "The table cannot be taken"


class TableTooLarge(ServiceError):
    """The table has more numbers, or takes more memory or time to be read, than the operator allows. Send fewer
    rows or columns."""

    status = 413
    type = "table-too-large"
    title = "The table is too large"


class DatasetNotFound(ServiceError):
    """There is no dataset with this id: it was deleted, or never was. `GET /v1/datasets` lists all."""

    status = 404
    type = "dataset-not-found"
    title = "There is no such dataset"

    def __init__(self, dataset_id: UUID) -> None:
        super().__init__(f"There is no dataset {dataset_id}: GET /v1/datasets lists those there are")


class DatasetDamaged(Damaged):
    """Somebody has changed what is kept of the dataset in the database, so that it cannot be read any more. Upload the
    table again, or have the operator restore a backup. `DELETE /v1/datasets/{id}` takes away what is left of it."""

    type = "dataset-damaged"
    title = "What is kept of the dataset was damaged"
    noun = "dataset"
    remedy = "Upload the table again"


class DatasetIsUsed(ServiceError):
    """A job has learnt from the dataset, or is to. Delete its jobs first."""

    status = 409
    type = "dataset-is-used"
    title = "The dataset is in use"

    def __init__(self) -> None:
        detail = "A job has learnt from this dataset, or is to: delete its jobs first, which /v1/jobs?dataset_id= lists"
        super().__init__(detail)


class QuotaReached(ServiceError):
    """All datasets together would take more than SLOPE_MAX_STORED_BYTES. Delete datasets, or jobs with data of
    their own."""

    status = 507
    type = "quota-reached"
    title = "All datasets together may take no more room"

    def __init__(self, size: int, quota: int) -> None:
        super().__init__(
            f"Nothing was changed: with {size:,} bytes more, datasets would take more than the {quota:,} that"
            " SLOPE_MAX_STORED_BYTES allows; delete datasets, or jobs with data of their own"
        )
