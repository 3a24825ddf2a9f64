"""Ways to compute the steps, and the plan that chooses one and says why."""

from slope.engines.plan import Plan, plan

__all__ = ["Plan", "plan"]
