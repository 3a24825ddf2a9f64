"""The update of each rule for LANES models together: the formulas of slope.engines.kernels.updates."""

from slope.engines.kernels.compiling import compiled
from slope.engines.kernels.vectors import load, root, store, where_less
from slope.engines.layouts.lane_rules import DECAY, EPS, LANES, MOMENTUM, SHARE
from slope.engines.layouts.rules import ADAM, DESCENT, RMSPROP


@compiled
def move_together(update, rate, count, own, first, stop, theta, gradient, buffers, apart):
    """Move θ along its gradient; `count` are the steps before this one, `buffers` what they left."""
    decay, momentum, share, eps = load(own, DECAY, 0), load(own, MOMENTUM, 0), load(own, SHARE, 0), load(own, EPS, 0)
    if update.kind == DESCENT:
        if update.momentum == 0.0:
            for k in range(first, stop):
                weight = load(theta, k, 0)
                store(theta, k, 0, weight - rate * (load(gradient, k, 0) + decay * weight))
        else:
            for k in range(first, stop):
                _descend(update, rate, count, decay, momentum, share, k, theta, gradient, buffers)
    elif update.kind == ADAM:
        _adam(update, rate, count, own, decay, eps, first, stop, theta, gradient, buffers, apart)
    elif update.kind == RMSPROP:
        for k in range(first, stop):
            _rmsprop(update, rate, decay, momentum, share, eps, k, theta, gradient, buffers)
    else:
        length = rate / (share * float(count) + 1.0)
        for k in range(first, stop):
            weight = load(theta, k, 0)
            direction = load(gradient, k, 0) + decay * weight
            total = load(buffers, k, 0) + direction * direction
            store(buffers, k, 0, total)
            store(theta, k, 0, weight - length * direction / (root(total) + eps))


@compiled
def _descend(update, rate, count, decay, momentum, share, k, theta, gradient, buffers):
    weight = load(theta, k, 0)
    direction = load(gradient, k, 0) + decay * weight
    velocity = direction if count == 0 else momentum * load(buffers, k, 0) + share * direction
    store(buffers, k, 0, velocity)
    store(theta, k, 0, weight - rate * (direction + momentum * velocity if update.is_nesterov else velocity))


@compiled
def _adam(update, rate, count, own, decay, eps, first, stop, theta, gradient, buffers, apart):
    for lane in range(LANES):
        apart[0, lane] = 1.0 - own[MOMENTUM, lane] ** (count + 1)
        apart[1, lane] = 1.0 - own[SHARE, lane] ** (count + 1)
    length, spread = rate / load(apart, 0, 0), root(load(apart, 1, 0))
    rest, second = 1.0 - load(own, MOMENTUM, 0), load(own, SHARE, 0)
    for k in range(first, stop):
        weight, direction = load(theta, k, 0), load(gradient, k, 0)
        if update.is_nesterov:
            weight = weight * (1.0 - rate * decay)
        else:
            direction += decay * weight
        mean = load(buffers, k, 0)
        mean += (direction - mean) * rest
        square = second * load(buffers, len(theta) + k, 0) + (1.0 - second) * direction * direction
        store(buffers, k, 0, mean)
        store(buffers, len(theta) + k, 0, square)
        if update.is_highest:
            highest = load(buffers, 2 * len(theta) + k, 0)
            square = where_less(highest, square, square, highest)
            store(buffers, 2 * len(theta) + k, 0, square)
        store(theta, k, 0, weight - length * mean / (root(square) / spread + eps))


@compiled
def _rmsprop(update, rate, decay, momentum, alpha, eps, k, theta, gradient, buffers):
    weight = load(theta, k, 0)
    direction = load(gradient, k, 0) + decay * weight
    square = alpha * load(buffers, k, 0) + (1.0 - alpha) * direction * direction
    store(buffers, k, 0, square)
    if update.is_nesterov:
        mean = load(buffers, 2 * len(theta) + k, 0)
        mean += (direction - mean) * (1.0 - alpha)
        store(buffers, 2 * len(theta) + k, 0, mean)
        square -= mean * mean
    velocity = momentum * load(buffers, len(theta) + k, 0) + direction / (root(square) + eps)
    store(buffers, len(theta) + k, 0, velocity)
    store(theta, k, 0, weight - rate * velocity)
