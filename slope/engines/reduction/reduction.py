"""N rows in D + 2 that have the same squared error at every w and b: the triangle of a QR factorisation.

With Z = [1 X y] = QT, Q orthonormal, ‖Xw + b − y‖² = ‖Z·(b, w, −1)‖² = ‖T·(b, w, −1)‖². Triangles of parts are
joined by factorising one on top of the other: they stream, and spread over machines.

A chunk C is joined to a triangle T in the cheapest of three ways that loses no digit that matters (K = D + 2):

- `gram`, the Cholesky factor of TᵀT + CᵀC: K² a row, and an error that grows with the square of the condition; taken
  while that is harmless, with the targets replaced by their residuals, which alone makes it so for most data;
- `solve`, the Cholesky factor of I + (CT⁻¹)ᵀ(CT⁻¹), times T: 2K² a row; sound for any condition as long as the chunk is
  no news to T (as the second pass of CholeskyQR2 is: Yamamoto and others, ETNA 44, 2015);
- `factorise`, Householder's QR of T on top of C: 2K² a row in slow operations, and sound for everything.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from slope.arrays import Array
from slope.reduced_rows import ReducedRows

CHUNK_ROWS = 2**15
"""Rows that are joined at a time. The bits of a triangle depend on it, and not on how the rows were handed over."""
FIRST_ROWS = 2**11
"""Of the first chunk, which has to be factorised."""

_PART = 2**31
"""This many multiplications, some tenths of a second, are made between two pauses."""

_MILD = 20.0
"""The condition up to which squaring it is harmless."""
_VANISHING = 1e-140
"""The squares of smaller columns come near the smallest numbers there are."""
_NEWS = 1e3
"""A chunk that lengthens a direction of the triangle more than this is factorised."""


Batch = tuple[Array, Array] | tuple[Array, Array, Array | None]
"""Rows: x (n × D), y (n), and their weights (n) where they do not count alike."""


@dataclass(frozen=True)
class Reduction(ReducedRows):
    """Rows that are reduced as they come, on any device."""

    @classmethod
    def of(
        cls,
        batches: Iterable[Batch],
        features: int,
        *,
        device: torch.device | str = "cpu",
        pause: Callable[[], None] = lambda: None,
    ) -> Self:
        """Reduce batches of rows in one pass. `pause` is called again and again, and may raise."""
        triangle, rows = torch.zeros(features + 2, features + 2, dtype=torch.float64, device=device), 0
        for chunk in _chunks(batches, features):
            triangle = join(triangle, chunk.to(device), pause)
            rows += len(chunk)
            pause()
        return cls(triangle.cpu().numpy(), rows)

    @classmethod
    def of_nothing(cls, features: int) -> Self:
        """Of no rows."""
        return cls(np.zeros((features + 2, features + 2)), 0)

    def __add__(self, other: "Reduction") -> "Reduction":
        """The reduction of both parts' rows."""
        stacked = torch.from_numpy(np.vstack([self.triangle, other.triangle]))
        return Reduction(_triangle_of(stacked).numpy(), self.rows + other.rows)


def join(triangle: Tensor, chunk: Tensor, pause: Callable[[], None] = lambda: None) -> Tensor:
    """The triangle (K × K) of the rows behind a triangle and those of a chunk (n × K)."""
    for attempt in (_by_gram, _by_solve):
        joined = attempt(triangle, chunk, pause)
        if joined is not None:
            return joined
    return _triangle_of(torch.vstack([triangle, chunk]))


def _triangle_of(rows: Tensor) -> Tensor:
    triangle: Tensor = torch.linalg.qr(rows, mode="r").R
    return triangle


def _by_gram(triangle: Tensor, chunk: Tensor, pause: Callable[[], None]) -> Tensor | None:
    """None where the joined triangle is too ill-conditioned for it.

    The target is replaced by its residuals at the solution so far, or else the condition would be large wherever the
    features explain it well.
    """
    solution = _solution(triangle)
    if solution is None:
        return None
    target = chunk[:, -1].clone()
    chunk[:, -1].addmv_(chunk[:, :-1], solution, alpha=-1)
    upper = triangle.clone()
    upper[:-1, -1] = 0
    gram = upper.T @ upper
    for part in _parts(chunk, pause):
        gram = torch.addmm(gram, part.T, part)
    sizes = gram.diagonal().sqrt()  # of the columns: their proportions do no harm
    are_plain = bool((sizes > _VANISHING).all())  # or digits were lost when they were squared
    factor = _factor(gram / sizes.outer(sizes), _MILD) if are_plain else None
    if factor is None:
        chunk[:, -1] = target
        return None
    factor *= sizes
    factor[:, -1] += factor[:, :-1] @ solution
    return factor


def _solution(triangle: Tensor) -> Tensor | None:
    """Where the squared error behind a triangle is least; None where the triangle does not determine it."""
    solution = torch.linalg.solve_triangular(triangle[:-1, :-1], triangle[:-1, -1:], upper=True)[:, 0]
    return solution if bool(solution.isfinite().all()) else None


def _by_solve(triangle: Tensor, chunk: Tensor, pause: Callable[[], None]) -> Tensor | None:
    """None where the chunk reaches far beyond the triangle."""
    gram = torch.eye(len(triangle), dtype=chunk.dtype, device=chunk.device)
    for part in _parts(chunk, pause):
        solved = torch.linalg.solve_triangular(triangle, part, upper=True, left=False)
        gram = torch.addmm(gram, solved.T, solved)
    factor = _factor(gram, _NEWS)
    return None if factor is None else factor @ triangle


def _parts(chunk: Tensor, pause: Callable[[], None]) -> Iterator[Tensor]:
    """The rows of a chunk, after each pause as many as do not take long; of narrow data all of them."""
    rows = max(1, _PART // chunk.shape[1] ** 2)
    for start in range(0, len(chunk), rows):
        pause()
        yield chunk[start : start + rows]


def _factor(gram: Tensor, most: float) -> Tensor | None:
    """The upper Cholesky factor, where its condition (in Frobenius' norm) is at most `most` · √K."""
    factor, failed = torch.linalg.cholesky_ex(gram, upper=True)
    if failed or not factor.isfinite().all():
        return None
    inverse = torch.linalg.inv_ex(factor).inverse
    return factor if inverse.norm() * factor.norm() <= most * len(gram) ** 0.5 else None


def _chunks(batches: Iterable[Batch], features: int) -> Iterator[Tensor]:
    """[1 X y], each row times the root of its weight, in chunks: the first one small, the last one what is left.

    The memory of each is the next one's.
    """
    chunk = torch.empty(CHUNK_ROWS, features + 2, dtype=torch.float64)  # of which little data touches little
    filled, size = 0, FIRST_ROWS
    for batch in batches:
        x, y, *rest = (None if values is None else _tensor(values) for values in batch)
        assert x is not None
        assert y is not None
        weights = rest[0] if rest else None
        start = 0
        while start < len(y):
            rows = min(size - filled, len(y) - start)
            taken, part = slice(start, start + rows), chunk[filled : filled + rows]
            part[:, 0], part[:, 1:-1], part[:, -1] = 1.0, x[taken], y[taken]
            if weights is not None:
                part *= weights[taken, None].sqrt()
            start, filled = start + rows, filled + rows
            if filled == size:
                yield chunk[:size]
                filled, size = 0, CHUNK_ROWS
    if filled:
        yield chunk[:filled]


def _tensor(values: Array) -> Tensor:
    """The same memory, unless it may not be written to: torch would warn."""
    return torch.from_numpy(values if values.flags.writeable else values.copy())
