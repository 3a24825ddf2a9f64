"""The same steps of descent for LANES models together, which share data, the order of its rows and the kind of update.

Every number of a model stands beside those of the others, so that one instruction of the processor works on all of
them. Nothing of a model depends on what is in the other lanes. A model whose numbers are not finite any more goes on
with them: `sound` says for how many steps they were. See slope.engines.kernels.descent for one model alone.
"""

import numpy as np

from slope.engines.kernels.compiling import compiled
from slope.engines.kernels.lane_updates import move_together
from slope.engines.kernels.vectors import load, root, size, splat, store, store_apart, where_less
from slope.engines.layouts.lane_rules import CLIP, DELTA, L1, L2, LANES
from slope.engines.layouts.rules import ABSOLUTE_ERROR, EACH_EPOCH, EACH_STEP, SQUARED_ERROR


@compiled
def descend_together(
    chosen,  # of the G groups of LANES models, those that take steps
    x,  # N × K, or without a column for the bias where the objective adds it
    targets,  # N
    orders,  # of the rows: epochs × N, or 0 × 0 where they keep theirs
    batch,  # rows of a step; the last one may have fewer
    objective,  # what the models have in common of it
    held,  # x, targets and objective of the rows held back, which may be none
    update,  # what the models have in common of it
    rule,  # which parameters learn, and when gradients are zeroed and cut
    own,  # G × a row for each number that is a model's own × LANES
    rates,  # G × those of all steps, of the first of each epoch, or of all together × LANES
    most,  # steps that each group may take
    first_kept,  # the step that the first column of `steps` is for, counted from the first epoch's first
    positions,  # G × epoch, step within it, and steps taken in the whole run; all move on
    state,  # theta and gradient, G × K × LANES, and buffers, G × 3 K × LANES
    sums,  # G × K + 1 × LANES: of the gradients and the losses of the epoch so far
    points,  # G × 2 K × LANES: parameters at the last sound end of an epoch, and that step's own gradient
    sound,  # G × 3 × LANES: 1 while all numbers were finite; how many losses were; how many epochs were as a whole
    epochs,  # the columns of its records, G LANES × a row an epoch
    steps,  # those of its steps, G LANES × a row a step; none where they are not kept
):
    """Take steps until the epochs or `most` are used up."""
    for group in chosen:
        _descend_group(
            group * LANES,
            x,
            targets,
            orders,
            batch,
            objective,
            held,
            update,
            rule,
            own[group],
            rates[group],
            most,
            first_kept,
            positions[group],
            state.theta[group],
            state.gradient[group],
            state.buffers[group],
            sums[group],
            points[group],
            sound[group],
            epochs,
            steps,
        )


@compiled
def _descend_group(
    base,
    x,
    targets,
    orders,
    batch,
    objective,
    held,
    update,
    rule,
    own,
    rates,
    steps_left,
    first_kept,
    position,
    theta,
    gradient,
    buffers,
    sums,
    points,
    sound,
    epochs,
    steps,
):
    parameters, rows, first, stop = len(theta), len(x), rule.first, rule.stop
    in_epoch, keeps_steps, holds_back = (rows + batch - 1) // batch, steps.loss.shape[1] > 0, len(held.targets) > 0
    epoch, step, count = position
    fresh = gradient if rule.zeroed == EACH_STEP else np.empty_like(theta)
    unused, apart = np.empty_like(theta), np.empty((2, LANES))
    while epoch < epochs.loss.shape[1] and steps_left > 0:
        if step == 0:
            sums[:] = 0.0
            if rule.zeroed == EACH_EPOCH:
                gradient[:] = 0.0
        while step < in_epoch and steps_left > 0:
            start, end = step * batch, min(rows, (step + 1) * batch)
            loss = _differentiate(x, targets, orders, epoch, start, end, objective, own, theta, fresh)
            whole = loss * (objective.divisor or float(end - start))
            fine = where_less(whole, splat(rule.largest_sum), load(sound, 0, 0), splat(0.0))
            store(sound, 0, 0, fine)
            store(sound, 1, 0, load(sound, 1, 0) + fine)
            store(sums, parameters, 0, load(sums, parameters, 0) + loss)
            for k in range(first, stop):
                if rule.zeroed != EACH_STEP:
                    store(gradient, k, 0, load(gradient, k, 0) + load(fresh, k, 0))
                store(sums, k, 0, load(sums, k, 0) + load(gradient, k, 0))
            if keeps_steps:
                row = epoch * in_epoch + step - first_kept
                _write(steps.loss, base, row, loss, apart)
                _write_all(steps.gradient, base, row, gradient, first, stop)
                _write_all(steps.theta, base, row, theta, 0, parameters)
            if step == in_epoch - 1:
                if in_epoch > 1:
                    _write(epochs.last_loss, base, epoch, loss, apart)
                    _write_all(epochs.gradient_last, base, epoch, gradient, first, stop)
                for k in range(parameters):
                    _keep_where(fine, points, k, load(theta, k, 0))
                    _keep_where(fine, points, parameters + k, load(fresh, k, 0))
            if rule.is_clipped:
                _clip(gradient, first, stop, load(own, CLIP, 0))
            rate = load(rates, epoch * rule.rates_per_epoch + step * rule.rates_per_step, 0)
            move_together(update, rate, count, own, first, stop, theta, gradient, buffers, apart)
            step, count, steps_left = step + 1, count + 1, steps_left - 1
        if step == in_epoch:
            share, squares = 1.0 / in_epoch, splat(0.0)
            for k in range(first, stop):
                mean = load(sums, k, 0) * share
                squares += mean * mean
                store(sums, k, 0, mean)
            loss, norm, largest = load(sums, parameters, 0) * share, root(squares), splat(rule.largest)
            fine = where_less(norm, largest, load(sound, 0, 0), splat(0.0))
            fine = where_less(size(loss), largest, fine, splat(0.0))
            for k in range(parameters):
                fine = where_less(size(load(theta, k, 0)), largest, fine, splat(0.0))
            _write(epochs.loss, base, epoch, loss, apart)
            _write(epochs.gradient_norm, base, epoch, norm, apart)
            _write_all(epochs.gradient_mean, base, epoch, sums, first, stop)
            _write_all(epochs.theta, base, epoch, theta, 0, parameters)
            if holds_back:
                loss = _differentiate(
                    held.x, held.targets, orders[:0], 0, 0, len(held.targets), held.objective, own, theta, unused
                )
                fine = where_less(loss, largest, fine, splat(0.0))
                _write(epochs.validation_loss, base, epoch, loss, apart)
            store(sound, 0, 0, fine)
            store(sound, 2, 0, load(sound, 2, 0) + fine)
            epoch, step = epoch + 1, 0
    position[0], position[1], position[2] = epoch, step, count


@compiled
def _write(column, base, row, numbers, apart):
    """One of each model: the column is models × rows."""
    store(apart, 0, 0, numbers)
    for lane in range(LANES):
        column[base + lane, row] = apart[0, lane]


@compiled
def _write_all(column, base, row, vectors, first, stop):
    """Some of K × LANES: the column is models × rows × that many."""
    for k in range(first, stop, LANES):
        store_apart(column, base, row, vectors, k, min(LANES, stop - k), k - first)


@compiled
def _keep_where(fine, vectors, row, numbers):
    store(vectors, row, 0, where_less(splat(0.5), fine, numbers, load(vectors, row, 0)))


@compiled
def _differentiate(x, targets, orders, epoch, start, stop, objective, own, theta, gradient):
    """The losses of rows `start` to `stop` in an epoch's order, and in `gradient` what autograd would leave there."""
    parameters, loss, is_shuffled = len(theta), splat(0.0), len(orders) > 0
    columns = parameters - 1 if objective.adds_bias else parameters
    for k in range(parameters):
        store(gradient, k, 0, splat(0.0))
    # Two rows at a time: while the sum of one waits for its last summand, the other's goes on.
    for i in range(start, stop - 1, 2):
        row, other = (orders[epoch, i], orders[epoch, i + 1]) if is_shuffled else (i, i + 1)
        first = min(max(row - 1, 0), columns) if objective.is_triangular else 0
        residual, beside = splat(-targets[row]), splat(-targets[other])
        if objective.adds_bias:
            residual += load(theta, columns, 0)
            beside += load(theta, columns, 0)
        for k in range(first, columns):
            weight = load(theta, k, 0)
            residual += weight * x[row, k]
            beside += weight * x[other, k]
        found, slope = _row_losses(objective, own, residual)
        besides, slope_beside = _row_losses(objective, own, beside)
        loss += found + besides
        for k in range(first, columns):
            store(gradient, k, 0, load(gradient, k, 0) + (slope * x[row, k] + slope_beside * x[other, k]))
        if objective.adds_bias:
            store(gradient, columns, 0, load(gradient, columns, 0) + (slope + slope_beside))
    if (stop - start) % 2 == 1:
        row = orders[epoch, stop - 1] if is_shuffled else stop - 1
        residual = splat(-targets[row])
        if objective.adds_bias:
            residual += load(theta, columns, 0)
        for k in range(columns):
            residual += load(theta, k, 0) * x[row, k]
        found, slope = _row_losses(objective, own, residual)
        loss += found
        for k in range(columns):
            store(gradient, k, 0, load(gradient, k, 0) + slope * x[row, k])
        if objective.adds_bias:
            store(gradient, columns, 0, load(gradient, columns, 0) + slope)
    share = 1.0 / (objective.divisor if objective.divisor else float(stop - start))
    for k in range(parameters):
        store(gradient, k, 0, load(gradient, k, 0) * share)
    loss = loss * share
    if objective.l2 != 0.0 or objective.l1 != 0.0:
        l1, l2 = load(own, L1, 0), load(own, L2, 0)
        for k in range(objective.penalised):
            weight = load(theta, k, 0)
            loss += l2 * weight * weight + l1 * size(weight)
            store(gradient, k, 0, load(gradient, k, 0) + l2 * weight * 2.0 + l1 * _sign(weight))
    return loss


@compiled
def _row_losses(objective, own, residual):
    """Of one row for each model, and their derivatives by the residuals."""
    if objective.loss == SQUARED_ERROR:
        return residual * residual, residual * 2.0
    if objective.loss == ABSOLUTE_ERROR:
        return size(residual), _sign(residual)
    delta, distance = load(own, DELTA, 0), size(residual)
    inside, outside = residual * residual * 0.5, delta * (distance - delta * 0.5)
    slope = where_less(delta, distance, delta * _sign(residual), residual)
    return where_less(delta, distance, outside, inside), slope


@compiled
def _sign(numbers):
    zero = splat(0.0)
    return where_less(zero, numbers, splat(1.0), where_less(numbers, zero, splat(-1.0), zero))


@compiled
def _clip(gradient, first, stop, most):
    """Shorten gradients to a length, as torch.nn.utils.clip_grad_norm_ does."""
    squares, one = splat(0.0), splat(1.0)
    for k in range(first, stop):
        squares += load(gradient, k, 0) * load(gradient, k, 0)
    share = most / (root(squares) + 1e-6)
    factor = where_less(one, share, one, share)
    for k in range(first, stop):
        store(gradient, k, 0, load(gradient, k, 0) * factor)
