"""Random numbers that depend on a seed and on what they are for, so that any part of a run can be done again by itself.

They come from NumPy's legacy generator, whose streams are frozen for good (NEP 19).
"""

import numpy as np

SPLIT, ORDER, START, FOLDS, SAMPLE = range(5)
"""Each makes a stream of its own out of one seed."""


def random_state(*key: int) -> np.random.RandomState:
    """A generator whose stream depends on the key alone."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(key)))
