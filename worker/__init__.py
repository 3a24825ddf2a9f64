"""The Celery process that trains."""
