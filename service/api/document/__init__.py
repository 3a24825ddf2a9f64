"""The OpenAPI document: what it says besides what FastAPI finds, its requests and answers that were really given."""
