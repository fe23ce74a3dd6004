"""All processes report before JAX joins them: it aborts without a name."""

import contextlib
import resource
import socket
import time

from parallel.errors import MissingProcessError, RunError

_LONGEST = 4096  # bytes of an answer


def _named(numbers: set[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:16]))
    return f"{shown}{' ...' if len(numbers) > 16 else ''}"


def _listen(port: int, count: int, deadline: float) -> str:
    """Waits for processes 1..count-1; answers all; returns what was answered."""
    missing, callers = set(range(1, count)), []
    # All callers wait on the line; the usual soft limit is about a thousand.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("", port), backlog=1024))
        while missing and (left := deadline - time.monotonic()) > 0:
            server.settimeout(left)
            try:
                caller = stack.enter_context(server.accept()[0])
                caller.settimeout(5)
                number = int(caller.recv(16))
            except (OSError, ValueError):  # nobody came, or it was no process of ours
                continue
            missing.discard(number)
            callers.append(caller)
        answer = _named(missing) or "all"
        for caller in callers:
            with contextlib.suppress(OSError):
                caller.sendall(answer.encode())
    return answer


def _report(host: str, port: int, number: int, deadline: float) -> str:
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as call:
                call.sendall(str(number).encode())
                # Process 0 answers at its own deadline, which may be later.
                call.settimeout(left + 10)
                if answer := call.recv(_LONGEST):
                    return answer.decode()
        except OSError:
            pass
        time.sleep(0.2)
    return "0"


def call_roll(address: str, count: int, number: int, seconds: float) -> None:
    """Returns when all processes are there.

    Args:
      address: HOST:PORT of process 0, where JAX will listen afterwards.
      count: processes of the job.
      number: of this one.
      seconds: to wait.

    Raises:
      RunError: it cannot be called here.
      MissingProcessError: some did not report; they are named.
    """
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + seconds
    try:
        if number == 0:
            answer = _listen(int(port), count, deadline)
        else:
            answer = _report(host, int(port), number, deadline)
    except OSError as error:
        raise RunError(
            f"process 0 cannot listen on port {port} ({error.strerror}); choose "
            "another port."
        ) from error
    if answer != "all":
        raise MissingProcessError(
            f"of {count} processes, process {answer} did not report to {address} "
            f"within {seconds:.0f} s; see its log, and whether that address can be "
            "reached from its host."
        )
