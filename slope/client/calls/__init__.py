"""Every call, said once for both clients."""

from slope.client.calls import aliases, datasets, graphs, jobs, keys, reports, statistics, sweeps, training, webhooks

__all__ = ["aliases", "datasets", "graphs", "jobs", "keys", "reports", "statistics", "sweeps", "training", "webhooks"]
