"""The lines that a run says to people: one process speaks, above the progress bar."""

import logging

import jax
from tqdm import tqdm

log = logging.getLogger("run")


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record))


def start() -> None:
    """Lets the first process speak, and only of what concerns the run.

    The libraries below (orbax, JAX) keep to warnings; they log through absl.
    """
    log.handlers = [_AboveTheBar()]
    log.propagate = False
    log.setLevel(logging.INFO if jax.process_index() == 0 else logging.WARNING)
