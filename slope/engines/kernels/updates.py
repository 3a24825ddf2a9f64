"""The update of each rule for one model: the formulas of torch.optim's single-tensor implementations, in their order.

`shape` and `rule` are as in slope.engines.kernels.descent.
"""

from math import sqrt

from slope.engines.kernels.compiling import compiled
from slope.engines.layouts.rules import ADAM, DESCENT, PLAIN, RMSPROP


@compiled
def move(shape, rule, update, rate, count, theta, gradient, buffers):
    """Move θ (K) along its gradient; `count` are the steps before this one, `buffers` (3 × K) what they left."""
    if len(rule) == PLAIN:
        _descend(shape, update, rate, theta, gradient)
    elif len(rule) == 1 + DESCENT:
        _descend_with_momentum(shape, update, rate, count, theta, gradient, buffers)
    elif len(rule) == 1 + ADAM:
        _adam(shape, update, rate, count, theta, gradient, buffers)
    elif len(rule) == 1 + RMSPROP:
        _rmsprop(shape, update, rate, theta, gradient, buffers)
    else:
        _adagrad(shape, update, rate, count, theta, gradient, buffers)


@compiled
def _descend(shape, update, rate, theta, gradient):
    for k in range(len(shape) or len(theta)):
        theta[k] -= rate * (gradient[k] + update.decay * theta[k])


@compiled
def _descend_with_momentum(shape, update, rate, count, theta, gradient, buffers):
    for k in range(len(shape) or len(theta)):
        direction = gradient[k] + update.decay * theta[k]
        velocity = direction if count == 0 else update.momentum * buffers[0, k] + update.share * direction
        buffers[0, k] = velocity
        theta[k] -= rate * (direction + update.momentum * velocity if update.is_nesterov else velocity)


@compiled
def _adam(shape, update, rate, count, theta, gradient, buffers):
    first, second, is_decoupled = update.momentum, update.share, update.is_nesterov
    size, root = rate / (1.0 - first ** (count + 1)), sqrt(1.0 - second ** (count + 1))
    for k in range(len(shape) or len(theta)):
        direction = gradient[k]
        if is_decoupled:
            theta[k] *= 1.0 - rate * update.decay
        else:
            direction += update.decay * theta[k]
        buffers[0, k] += (direction - buffers[0, k]) * (1.0 - first)
        buffers[1, k] = second * buffers[1, k] + (1.0 - second) * direction * direction
        square = buffers[1, k]
        if update.is_highest:
            square = max(buffers[2, k], square)
            buffers[2, k] = square
        theta[k] -= size * buffers[0, k] / (sqrt(square) / root + update.eps)


@compiled
def _rmsprop(shape, update, rate, theta, gradient, buffers):
    alpha, is_centred = update.share, update.is_nesterov
    for k in range(len(shape) or len(theta)):
        direction = gradient[k] + update.decay * theta[k]
        buffers[0, k] = alpha * buffers[0, k] + (1.0 - alpha) * direction * direction
        spread = buffers[0, k]
        if is_centred:
            buffers[2, k] += (direction - buffers[2, k]) * (1.0 - alpha)
            spread -= buffers[2, k] * buffers[2, k]
        buffers[1, k] = update.momentum * buffers[1, k] + direction / (sqrt(spread) + update.eps)
        theta[k] -= rate * buffers[1, k]


@compiled
def _adagrad(shape, update, rate, count, theta, gradient, buffers):
    size = rate / (1.0 + count * update.share)
    for k in range(len(shape) or len(theta)):
        direction = gradient[k] + update.decay * theta[k]
        buffers[0, k] += direction * direction
        theta[k] -= size * direction / (sqrt(buffers[0, k]) + update.eps)
