"""Squared error on the few rows that stand for all: how they are found, in parts too, and descent on them."""
