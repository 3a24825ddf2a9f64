"""Whole services: real processes, real servers, real HTTP."""
