"""Webhooks: who is told what, where messages may go, and how they are signed and sent."""
