"""The same descent in JAX at its best use: jit and scan, float64, one thread, compiled before it is timed."""

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from slope.arrays import Array

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None
else:
    jax.config.update("jax_enable_x64", True)

IS_THERE = jax is not None
Run = Callable[[], tuple[Array, Array, Array]]
"""Losses, gradients and weights of all steps or epochs."""


def full_batch(x: Array, y: Array, rate: float, epochs: int) -> Run:
    """Descent on all rows: the weights after every epoch."""
    value_and_gradient = jax.value_and_grad(lambda w, x, y: jnp.mean((x @ w - y) ** 2))

    @jax.jit
    def run(w: Any, x: Any, y: Any) -> Any:
        def step(w: Any, _: None) -> Any:
            loss, gradient = value_and_gradient(w, x, y)
            w = w - rate * gradient
            return w, (loss, gradient, w)

        return jax.lax.scan(step, w, None, length=epochs)[1]

    return _ready(run, jnp.zeros(x.shape[1]), jnp.array(x), jnp.array(y))


def full_batch_adam(x: Array, y: Array, rate: float, epochs: int) -> Run:
    """The same with Adam's update at torch's defaults."""
    value_and_gradient = jax.value_and_grad(lambda w, x, y: jnp.mean((x @ w - y) ** 2))

    @jax.jit
    def run(w: Any, x: Any, y: Any) -> Any:
        def step(state: Any, count: Any) -> Any:
            w, mean, square = state
            loss, gradient = value_and_gradient(w, x, y)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            spread = jnp.sqrt(square / (1 - 0.999**count)) + 1e-8
            w = w - rate * mean / (1 - 0.9**count) / spread
            return (w, mean, square), (loss, gradient, w)

        return jax.lax.scan(step, (w, w, w), jnp.arange(1.0, epochs + 1))[1]

    return _ready(run, jnp.zeros(x.shape[1]), jnp.array(x), jnp.array(y))


def by_rows(x: Array, y: Array, rate: float) -> Run:
    """One epoch, a row a step: the weights before every step."""
    value_and_gradient = jax.value_and_grad(lambda w, row, target: (row @ w - target) ** 2)

    @jax.jit
    def run(w: Any, x: Any, y: Any) -> Any:
        def step(w: Any, row: Any) -> Any:
            loss, gradient = value_and_gradient(w, *row)
            return w - rate * gradient, (loss, gradient, w)

        return jax.lax.scan(step, w, (x, y))[1]

    return _ready(run, jnp.zeros(x.shape[1]), jnp.array(x), jnp.array(y))


def sweep(x: Array, y: Array, rates: Array, epochs: int, *, gram: bool) -> Run:
    """Full-batch descent at many rates, a vmap over them: from the rows, or from their products."""

    @jax.jit
    def run(rates: Any, x: Any, y: Any) -> Any:
        by_rows = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))
        products, moments, square = x.T @ x / len(y), x.T @ y / len(y), y @ y / len(y)

        def by_products(w: Any) -> Any:
            moved = products @ w
            return w @ moved - 2 * moments @ w + square, 2 * (moved - moments)

        def train(rate: Any) -> Any:
            def step(w: Any, _: None) -> Any:
                loss, gradient = (by_products if gram else by_rows)(w)
                w = w - rate * gradient
                return w, (loss, gradient, w)

            return jax.lax.scan(step, jnp.zeros(x.shape[1]), None, length=epochs)[1]

        return jax.vmap(train)(rates)

    return _ready(run, jnp.array(rates), jnp.array(x), jnp.array(y))


def seconds(run: Run) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def _ready(run: Callable[..., Any], *arguments: Any) -> Run:
    def finished() -> tuple[Array, Array, Array]:
        losses, gradients, weights = jax.block_until_ready(run(*arguments))
        return np.asarray(losses), np.asarray(gradients), np.asarray(weights)

    finished()
    return finished
