"""What can be wrong with a run."""


class RunError(RuntimeError):
    """The run cannot start or go on; the message is one line with the remedy."""
