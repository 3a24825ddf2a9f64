"""Ways to compute the steps, and the plan that chooses one and says why."""
