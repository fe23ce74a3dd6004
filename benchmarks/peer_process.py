"""A peer's program in a process of its own, that takes steps on request."""

import subprocess
from collections.abc import Callable


class CannotRun(Exception):
    """What a peer says where its way of working does not work on this machine."""


class PeerProcess:
    """Writes numbers of steps to a program and reads how long they took."""

    def __init__(self, command: list[str]):
        """Starts `command`, whose first line says the peer's version.

        Raises:
          CannotRun: it says why it cannot, see peers/on_request.py.
        """
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._process.stdout.readline().strip()
        why = self.version.removeprefix("cannot: ")
        if why != self.version or not self.version:
            self.close()
            raise CannotRun(why or "it ended without a word")

    def seconds(self, steps: int) -> float:
        """Takes so many steps."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the program."""
        self._process.communicate()


def start_all(
    peers: dict[str, Callable[[], PeerProcess]],
) -> tuple[dict[str, PeerProcess], dict[str, str]]:
    """Starts the peers that work here, and says in a line each which do not.

    Args:
      peers: what starts them, by name.

    Returns:
      Those that run, and why the others cannot.
    """
    running, unable = {}, {}
    for name, start in peers.items():
        try:
            running[name] = start()
        except CannotRun as why:
            unable[name] = str(why)
            print(f"{name}: cannot run here ({why}); the others are measured.")
    return running, unable
