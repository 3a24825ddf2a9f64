"""What the API answers: one class per resource, made from rows."""
