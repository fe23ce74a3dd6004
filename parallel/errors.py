"""What can be wrong with a run."""

import jax


class RunError(RuntimeError):
    """The run cannot start or go on; the message is one line with the remedy."""


class PeerLostError(Exception):
    """Another process is gone: nothing of this one's is wrong, and nothing to mend."""


def is_of_lost_peer(error: Exception) -> bool:
    """Whether `error` says that another process is gone, and not what a file holds."""
    # Gloo's, of the CPU back end, come as plain errors of a value.
    return isinstance(error, PeerLostError | jax.errors.JaxRuntimeError) or (
        "Gloo" in str(error)
    )


def is_own(error: Exception) -> bool:
    """Whether `error` is of this process, and would come again after a restart."""
    return not is_of_lost_peer(error) or "RESOURCE_EXHAUSTED" in str(error)
