"""What the system says when it has nothing left to give. Who looks for the cause of an error lets such pass."""

import errno

_ERRNOS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
"""Where it gives no further file, memory or process."""
_QUOTING = (ValueError, LookupError)
"""What may have words of a document in its own."""


def lacks_memory(error: Exception) -> bool:
    """Torch says so of the CPU in words only, and so does libpq where an answer does not fit."""
    words = ("can't allocate memory", "out of memory")
    says_so = not isinstance(error, _QUOTING) and any(each in str(error) for each in words)
    return isinstance(error, MemoryError) or says_so


def is_scarcity(error: Exception) -> bool:
    """Whether it is the system that had nothing to give. Of a thread Python says so in words only."""
    has_no_thread = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return lacks_memory(error) or has_no_thread or getattr(error, "errno", None) in _ERRNOS
