"""What can be wrong with a run."""

import jax

from parallel.exit_codes import ERROR, LOST, USAGE

# Of a program or its input, and not of the devices or of a connection.
_OWN = ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "compil", "ptxas")


class RunError(RuntimeError):
    """The run cannot start or go on; the message is one line with the remedy.

    Attributes:
      exit_code: of the process that ends with it.
    """

    exit_code = ERROR


class MissingProcessError(RunError):
    """A process of the job did not come: it may, when the job is started again."""

    exit_code = LOST


class FaultError(RunError):
    """A fault was ordered that cannot happen."""

    exit_code = USAGE


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
    said = str(error)
    if "Gloo" in said or isinstance(error, PeerLostError):
        return False
    return not is_of_lost_peer(error) or any(word in said for word in _OWN)
