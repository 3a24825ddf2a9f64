"""Steps of descent one after another: the textbook's loop, with a record of each epoch and step.

`shape` is a tuple of as many numbers as there are parameters, where the loops are compiled for just that many: they
are unrolled then, and keep everything in registers. Otherwise it is empty. `rule` is one as long as `Update.rule`: with
the other rules in its reach a step takes twice the time, though it goes through none of them. The updates are those of
torch.optim's single-tensor implementations, their formulas and their order.
"""

from math import inf, sqrt

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from slope.engines.kernels.compiling import compiled
from slope.engines.kernels.updates import move
from slope.engines.layouts.rules import (
    ABSOLUTE_ERROR,
    EACH_EPOCH,
    EACH_STEP,
    SQUARED_ERROR,
)

_AHEAD = 32
"""Rows between the one that is worked on and the one that is fetched: memory answers many requests together."""


@compiled
def descend(
    shape,  # as many numbers as parameters, where it is compiled for as many
    rule,  # as many numbers as `update.rule` says
    x,  # N × K, or without a column for the bias where the objective adds it
    targets,  # N
    orders,  # of the rows: epochs × N, or 0 × 0 where they keep theirs
    batch,  # rows of a step; the last one may have fewer
    objective,
    update,
    limits,
    rates,  # epochs × 1, or × the steps of an epoch
    steps_left,  # how many it may take
    first_kept,  # the step that the first row of `steps` is for, counted from the first epoch's first
    position,  # epoch, step within it, and steps taken in the whole run; all move on
    theta,  # K
    gradient,  # K: what a leaf's .grad holds
    buffers,  # 3 × K
    sums,  # K + 1: of the gradients and the losses of the epoch so far
    epochs,  # the columns of its records, a row an epoch
    steps,  # those of its steps, a row a step; none where they are not kept
):
    """Take steps until the epochs or `steps_left` are used up: False where one has a loss that is not below the limit.

    Then `position` is that step's, and nothing has been moved by it.
    """
    parameters, rows = len(shape) or len(theta), len(x)
    in_epoch, is_clipped, keeps_steps = (rows + batch - 1) // batch, limits.clip < inf, len(steps.loss) > 0
    keeps_last = len(epochs.last_loss) > 0
    # Arrays are taken out of their tuples once: to do it in the loop would count references in it.
    losses, means, norms, thetas = epochs.loss, epochs.gradient_mean, epochs.gradient_norm, epochs.theta
    before, last_fresh, last_gradients, last_losses = (
        epochs.before,
        epochs.fresh,
        epochs.gradient_last,
        epochs.last_loss,
    )
    step_losses, step_gradients, step_thetas = steps.loss, steps.gradient, steps.theta
    epoch, step, count = position
    fresh = gradient if limits.zeroed == EACH_STEP else np.empty(parameters)
    while epoch < len(rates) and steps_left > 0:
        if step == 0:
            sums[:] = 0.0
            if limits.zeroed == EACH_EPOCH:
                gradient[:] = 0.0
        while step < in_epoch and steps_left > 0:
            start, stop = step * batch, min(rows, (step + 1) * batch)
            loss = _differentiate(shape, x, targets, orders, epoch, start, stop, objective, theta, fresh)
            if not loss * (objective.divisor or stop - start) < limits.largest_sum:
                position[0], position[1], position[2] = epoch, step, count
                return False
            sums[parameters] += loss
            if limits.zeroed != EACH_STEP:
                for k in range(parameters):
                    gradient[k] += fresh[k]
            for k in range(parameters):
                sums[k] += gradient[k]
            if keeps_steps:
                row = epoch * in_epoch + step - first_kept
                step_losses[row] = loss
                for k in range(parameters):
                    step_gradients[row, k] = gradient[k]
                    step_thetas[row, k] = theta[k]
            if keeps_last and step == in_epoch - 1:
                last_losses[epoch] = loss
                for k in range(parameters):
                    before[epoch, k] = theta[k]
                    last_fresh[epoch, k] = fresh[k]
                    last_gradients[epoch, k] = gradient[k]
            if is_clipped:
                _clip(shape, gradient, limits.clip)
            move(shape, rule, update, rates[epoch, min(step, rates.shape[1] - 1)], count, theta, gradient, buffers)
            step, count, steps_left = step + 1, count + 1, steps_left - 1
        if step == in_epoch:
            share = 1.0 / in_epoch
            losses[epoch] = sums[parameters] * share
            for k in range(parameters):
                means[epoch, k] = sums[k] * share
                thetas[epoch, k] = theta[k]
            norms[epoch] = sqrt(_squares(shape, means[epoch], parameters))
            epoch, step = epoch + 1, 0
    position[0], position[1], position[2] = epoch, step, count
    return True


@compiled
def evaluate(
    x,  # N × K, as above
    targets,  # N
    start,  # the first of the rows
    objective,
    thetas,  # M × K
    losses,  # M
    gradients,  # M × K
):
    """The losses and gradients of the rows from one on, at many points: one after another, whatever is beside them."""
    orders = np.empty((0, 0), np.int64)
    for point in range(len(thetas)):
        theta, gradient = thetas[point], gradients[point]
        losses[point] = _differentiate((), x, targets, orders, 0, start, len(x), objective, theta, gradient)


@compiled
def _differentiate(shape, x, targets, orders, epoch, start, stop, objective, theta, gradient):
    """The loss of rows `start` to `stop` in an epoch's order, and in `gradient` what autograd would leave there."""
    parameters, loss, is_shuffled = len(shape) or len(theta), 0.0, len(orders) > 0
    columns = parameters - 1 if objective.adds_bias else parameters
    share = 1.0 / (objective.divisor or stop - start)
    for i in range(start, stop):
        row = i
        if is_shuffled:
            row = orders[epoch, i]
            if i + _AHEAD < orders.shape[1]:
                _fetch(x, targets, orders[epoch, i + _AHEAD])
        residual = -targets[row]
        if objective.adds_bias:
            residual += theta[columns]
        for k in range(columns):  # also where a triangle has zeros: from anywhere but 0 on, it would not be vectorised
            residual += x[row, k] * theta[k]
        row_loss, slope = _row_loss(objective, residual)
        loss += row_loss
        slope *= share
        if i == start:
            for k in range(columns):
                gradient[k] = slope * x[row, k]
            if objective.adds_bias:
                gradient[columns] = slope
        else:
            for k in range(columns):
                gradient[k] += slope * x[row, k]
            if objective.adds_bias:
                gradient[columns] += slope
    return loss * share + objective.offset + _penalise(objective, theta, gradient)


@compiled
def _row_loss(objective, residual):
    """Of one row, and its derivative by the residual."""
    if objective.loss == SQUARED_ERROR:
        return residual * residual, 2.0 * residual
    size = abs(residual)
    if objective.loss == ABSOLUTE_ERROR:
        return size, _sign(residual)
    if size <= objective.delta:
        return 0.5 * residual * residual, residual
    return objective.delta * (size - 0.5 * objective.delta), objective.delta * _sign(residual)


@compiled
def _penalise(objective, theta, gradient):
    penalty = 0.0
    if objective.l2 != 0.0 or objective.l1 != 0.0:
        for k in range(objective.penalised):  # apart from what writes, as `_squares`
            penalty += objective.l2 * theta[k] * theta[k] + objective.l1 * abs(theta[k])
        for k in range(objective.penalised):
            gradient[k] += 2.0 * objective.l2 * theta[k] + objective.l1 * _sign(theta[k])
    return penalty


@compiled
def _squares(shape, vector, parameters):
    """In a loop that writes nothing: where one does, it depends on addresses whether a sum is taken in lanes."""
    squares = 0.0
    for k in range(len(shape) or parameters):
        squares += vector[k] * vector[k]
    return squares


@compiled
def _sign(number):
    return 1.0 if number > 0.0 else -1.0 if number < 0.0 else 0.0


@compiled
def _clip(shape, gradient, most):
    """Shorten a gradient to a length, as torch.nn.utils.clip_grad_norm_ does."""
    factor = min(1.0, most / (sqrt(_squares(shape, gradient, len(gradient))) + 1e-6))
    for k in range(len(shape) or len(gradient)):
        gradient[k] *= factor


@intrinsic
def _prefetch(_typing, address):
    """Let the processor fetch the 64 bytes at an address while it goes on."""

    def generate(_context, builder, _signature, arguments):
        pointer, word = ir.PointerType(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        target = builder.inttoptr(arguments[0], pointer)
        builder.call(function, [target, word(0), word(3), word(1)])  # to be read, and soon; as data

    return types.void(address), generate


@compiled
def _fetch(x, targets, row):
    """Have a row of x and its target on their way."""
    width = 8 * x.shape[1]
    for start in range(0, width, 64):
        _prefetch(x.ctypes.data + row * width + start)  # type: ignore[call-arg]
    _prefetch(x.ctypes.data + row * width + width - 1)  # type: ignore[call-arg]  # a row may begin within a line
    _prefetch(targets.ctypes.data + 8 * row)
