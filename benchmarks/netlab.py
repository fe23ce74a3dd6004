"""Steps of real processes over real sockets: one program, or groups on a thread.

sudo make netlab, or python -m benchmarks.netlab --links_mbit=0 without root

Links of 0 Mbit/s are the loopback, unshaped. All others are network namespaces behind
a bridge, each with a token bucket on both ends of its cable; only root can make them.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

from absl import app, flags

from benchmarks import results_file
from parallel.errors import RunError

_COUNTS = flags.DEFINE_list("processes", ["1", "2", "4", "8"], "How many at a time.")
_LINKS = flags.DEFINE_list("links_mbit", ["0", "100", "300", "1000"], "Per process.")
_EXAMPLES = flags.DEFINE_integer(
    "examples", 8192, "Of a step, all processes together: the compute."
)
_ROUNDS = flags.DEFINE_integer("rounds", 25, "Steps of each way that are timed.")

_PREFIX = "netlab"
_ETC = pathlib.Path("/etc/netns")  # where `ip netns exec` finds a namespace's files


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _shape(namespace: str, device: str, mbit: int) -> None:
    bucket = f"rate {mbit}mbit burst 64kb latency 100ms".split()
    tc = ["tc", "qdisc", "add", "dev", device, "root", "tbf", *bucket]
    _ip("netns", "exec", namespace, *tc)


def _connect(hub: str, number: int, mbit: int) -> str:
    """Makes namespace `number` with a shaped cable to the hub; returns its name."""
    name, there = f"{_PREFIX}{number}", f"port{number}"
    _ip("netns", "add", name)
    cable = ["eth0", "netns", name, "type", "veth", "peer", there, "netns", hub]
    _ip("link", "add", *cable)
    _ip("-n", hub, "link", "set", there, "master", "bridge", "up")
    _ip("-n", name, "addr", "add", f"{_address(number)}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", name, "link", "set", device, "up")
    _shape(name, "eth0", mbit)
    _shape(hub, there, mbit)
    # XLA's sockets listen at the address of the host's name.
    (_ETC / name).mkdir(parents=True)
    hosts = f"127.0.0.1 localhost\n{_address(number)} {socket.gethostname()}\n"
    (_ETC / name / "hosts").write_text(hosts)
    return name


def _address(number: int) -> str:
    return f"10.77.0.{number + 1}"


@contextlib.contextmanager
def namespaces(count: int, mbit: int):
    """Makes `count` connected namespaces, yields their names, removes them."""
    hub = f"{_PREFIX}-hub"
    try:
        _ip("netns", "add", hub)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        yield [_connect(hub, number, mbit) for number in range(count)]
    finally:
        for name in (*(f"{_PREFIX}{number}" for number in range(count)), hub):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            (_ETC / name / "hosts").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (_ETC / name).rmdir()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def _run(names: list[str] | None, count: int) -> dict:
    """Runs the worker in every namespace, or beside this process; its first result."""
    host = _address(0) if names else "localhost"
    address = f"{host}:{_free_port()}"
    with tempfile.TemporaryDirectory() as directory:
        result = pathlib.Path(directory) / "times.json"
        processes = []
        for number in range(count):
            enter = ["ip", "netns", "exec", names[number]] if names else []
            worker = [sys.executable, "-m", "benchmarks.netlab_worker"]
            told = [f"--{name}={value}" for name, value in (
                ("address", address), ("count", count), ("number", number),
                ("rounds", _ROUNDS.value), ("examples", _EXAMPLES.value),
                ("result", result),
            )]  # fmt: skip
            environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PJRT_NPROC": "4"}
            processes.append(
                subprocess.Popen(
                    [*enter, *worker, *told],
                    env=environment,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        try:
            errors = [process.communicate(timeout=400)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
        for process, error in zip(processes, errors, strict=True):
            if process.returncode:
                raise RunError(f"a process failed: {error.strip()[-500:]}")
        return json.loads(result.read_text())


def _table(row: dict) -> str:
    link = f"{row['link_mbit']} Mbit/s" if row["link_mbit"] else "loopback"
    lines = [
        f"{row['processes']} processes, {row['examples']} examples, {link}; "
        f"chosen: {row['chosen']}"
    ]
    for way, median in row["median_seconds"].items():
        low, high = row["quartile_seconds"][way]
        lines.append(
            f"  {way:26s} {1e3 * median:8.1f} ms  "
            f"({1e3 * low:.1f} ... {1e3 * high:.1f})"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Times every number of processes on every link; adds to results/netlab.json."""
    del argv
    # Ended from outside, it takes its namespaces and processes along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    path = results_file.DIRECTORY / "netlab.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for mbit in map(int, _LINKS.value):
        if mbit and os.geteuid():
            print(f"links of {mbit} Mbit/s need root: left out")
            continue
        for count in map(int, _COUNTS.value):
            if mbit and count == 1:
                continue
            with namespaces(count, mbit) if mbit else contextlib.nullcontext() as names:
                times = _run(names, count)
            others = {"load_average": os.getloadavg()[0]}  # its own included
            cell = {"processes": count, "link_mbit": mbit}
            cell["examples"] = _EXAMPLES.value
            row = {**cell, **others, **times}
            print(_table(row), flush=True)
            rows = [r for r in rows if {k: r[k] for k in cell} != cell] + [row]
            results = {"command": "make netlab", "kind": "measured", "rows": rows}
            results_file.write("netlab", results)


if __name__ == "__main__":
    app.run(main)
