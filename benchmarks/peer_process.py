"""A peer's program in a process of its own, that takes steps on request."""

import subprocess


class PeerProcess:
    """Writes numbers of steps to a program and reads how long they took."""

    def __init__(self, command: list[str]):
        """Starts `command`, whose first line says the peer's version."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._process.stdout.readline().strip()

    def seconds(self, steps: int) -> float:
        """Takes so many steps."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the program."""
        self._process.stdin.close()
        self._process.wait()
