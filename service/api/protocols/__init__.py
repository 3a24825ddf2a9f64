"""The protocols of others: Open Inference (KServe) and MLflow."""
