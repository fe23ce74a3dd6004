"""Which number of a step went bad first: named, and kept to be seen again."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from parallel.named_leaves import named_leaves
from parallel.run_log import log

# Half precision overflows now and then by design: its records must fill no disk.
_MOST_RECORDS = 100


def first_bad(named: Mapping[str, jax.Array]) -> jax.Array:
    """Finds the first tensor that holds an infinity or NaN, inside a compiled step.

    Args:
      named: tensors, in the order in which they are to be blamed.

    Returns:
      int32 scalar: 0 if all are finite, otherwise 1 + the tensor's place.
    """
    finite = jnp.stack([jnp.isfinite(x).all() for x in named.values()])
    return jnp.where(finite.all(), 0, 1 + jnp.argmin(finite)).astype(jnp.int32)


def _entries(code: jax.Array) -> dict[int | None, int]:
    """What this process's devices say: entry (None: there is one alone) -> code."""
    found = {}
    for shard in code.addressable_shards:
        if shard.replica_id == 0:  # otherwise another device says the same
            values, first = np.asarray(shard.data), 0
            if values.ndim == 0:
                found[None] = int(values)
                continue
            first = shard.index[0].start or 0
            found |= {first + i: int(value) for i, value in enumerate(values)}
    return found


def first_bad_in(state: Any, entry: int | None = None) -> str | None:
    """Names the first leaf of `state` that is not finite, on this process's devices.

    Args:
      state: pytree of arrays on devices.
      entry: looks at that place of the leading axis alone; None: at all.
    """
    for name, leaf in named_leaves(state).items():
        for shard in leaf.addressable_shards:
            values = shard.data
            if entry is not None:
                place = entry - (shard.index[0].start or 0)
                if not 0 <= place < values.shape[0]:
                    continue
                values = values[place]
            if not bool(jnp.isfinite(values).all()):
                return name
    return None


class BadNumbers:
    """Remembers what steps said of their numbers until somebody looks.

    Looking waits for the devices, so that is done where the run waits anyway.
    """

    def __init__(self, workdir: pathlib.Path, names: Sequence[str], seed: int):
        """Starts with nothing.

        Args:
          workdir: gets bad_numbers/step-N.json, or step-N-label-L.json.
          names: of the tensors that `first_bad` was given.
          seed: of the run; with a step's number it gives the batch.
        """
        self._directory, self._names = workdir / "bad_numbers", list(names)
        self._seed = seed
        self._unseen: list[tuple[int, int, jax.Array]] = []
        self._bad_before: set[int | None] = set()
        self._num_records = 0

    def see(self, first: int, num_steps: int, code: jax.Array) -> None:
        """Keeps what the dispatch of steps first .. first + num_steps - 1 said.

        Args:
          first: steps taken before the dispatch.
          num_steps: of the dispatch.
          code: of `first_bad`; a scalar, or one for each entry.
        """
        self._unseen.append((first, num_steps, code))

    def look(self, state: Any, saved_step: int) -> None:
        """Names what went bad since the last look, the first step of each row.

        Args:
          state: as it is now; a step that is not applied leaves it alone.
          saved_step: the newest checkpoint; 0: the state before the first step.
        """
        unseen, self._unseen = self._unseen, []
        for first, num_steps, code in unseen:
            said = _entries(code)
            for entry in said:
                if said[entry] and entry not in self._bad_before:
                    name = self._names[said[entry] - 1]
                    self._tell(first, num_steps, entry, name, state, saved_step)
            self._bad_before -= said.keys()
            self._bad_before |= {entry for entry in said if said[entry]}

    def _tell(self, first, num_steps, entry, name, state, saved_step) -> None:
        where = f"step-{first:06d}" + ("" if entry is None else f"-label-{entry}")
        culprit = first_bad_in(state, entry)
        log.warning(
            "step %d%s: %s is not finite, the step is not applied; %s.",
            first,
            "" if entry is None else f", label {entry}",
            name,
            f"{culprit} of the state is not finite either"
            if culprit
            else "the state is as it was, and finite",
        )
        if self._num_records >= _MOST_RECORDS:
            return
        self._num_records += 1
        record = {
            "step": first,  # batch_at(step) of this seed is the batch
            "num_steps": num_steps,
            "seed": self._seed,
            "label": entry,
            "first_bad": name,
            "first_bad_in_state": culprit,
            "replay_from_checkpoint": saved_step,
        }
        self._directory.mkdir(exist_ok=True)
        text = json.dumps(record, indent=1) + "\n"
        (self._directory / f"{where}.json").write_text(text)
