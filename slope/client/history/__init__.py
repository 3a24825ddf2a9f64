"""The course of a training, as columns, as a chart, and as a bar while it lasts."""
