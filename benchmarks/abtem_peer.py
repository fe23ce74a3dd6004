"""Asks abTEM, in an environment of its own, through files."""

import pathlib
import subprocess
import tempfile

import numpy as np

PYTHON = pathlib.Path(".venv-abtem/bin/python")
_PROGRAM = pathlib.Path(__file__).parent / "peers" / "abtem_multislice.py"


def ask(python: pathlib.Path | str, task: str, **question) -> dict[str, np.ndarray]:
    """Runs a task of peers/abtem_multislice.py and returns its arrays."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = (pathlib.Path(folder) / f"{n}.npz" for n in ("ask", "answer"))
        np.savez(asked, **question)
        subprocess.run([str(python), str(_PROGRAM), task, asked, answer], check=True)
        with np.load(answer) as given:
            return dict(given)
