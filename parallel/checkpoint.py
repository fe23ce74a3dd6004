"""Checkpoints: atomic, on any number of devices, latest and best."""

import math
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from parallel.abandoned_reads import leave_out_abandoned_reads
from parallel.errors import RunError
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.run_log import log

FORMAT_VERSION = 1
_STATE, _EXTRA = "state", "extra"


def _form(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


class Checkpointer:
    """Saves and restores states in one directory.

    A step is written beside its place and moved there when it is complete; what a
    killed process leaves half-written is never seen as a step. Opening and reading
    changes nothing on disk, so a run may be looked at while it is being trained.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int | None):
        """Opens `directory`, which holds the latest `keep` steps (None: all)."""
        self.directory = pathlib.Path(directory).resolve()
        self._keep = keep
        self._writes = False
        leave_out_abandoned_reads()
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        policy = None
        if self._writes and self._keep is not None:
            policy = ocp.checkpoint_managers.LatestN(self._keep)
        return ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                # The caller donates the state's memory to the next step, so it must
                # be on disk, or at least copied, before save returns.
                enable_async_checkpointing=False,
                # What looks abandoned to a reader may be what a trainer is writing.
                create=self._writes,
                cleanup_tmp_directories=self._writes,
            ),
            # Without them, a process that has not saved yet cannot read metadata.
            item_handlers={
                _STATE: ocp.StandardCheckpointHandler(),
                _EXTRA: ocp.JsonCheckpointHandler(),
            },
        )

    def _start_writing(self) -> None:
        if not self._writes:
            self._writes = True
            self._manager.close()
            self._manager = self._open()

    def save(self, step: int, state: Any, extra: dict) -> None:
        """Saves `state` and the JSON-able `extra` as `step`; returns when complete.

        Args:
          step: not a complete step yet; the rest of an incomplete one is replaced.
          state: pytree of arrays, numpy's or on devices; a PRNG key goes in as its
            `jax.random.key_data`.
          extra: comes back from `extra`.

        Raises:
          TypeError: a leaf is a PRNG key.
          ValueError: `step` is there already.
        """
        named = named_leaves(state)
        for name, leaf in named.items():
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                raise TypeError(f"{name} is a PRNG key; save its jax.random.key_data.")
        self._start_writing()
        if step in self._manager.all_steps() and not self._is_complete(step):
            self._manager.delete(step)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                **{
                    _STATE: ocp.args.StandardSave(named),
                    _EXTRA: ocp.args.JsonSave(
                        {"format_version": FORMAT_VERSION, **extra}
                    ),
                }
            ),
            force=True,
        )

    def delete(self, step: int) -> None:
        """Deletes a step."""
        self._start_writing()
        self._manager.delete(step)

    def latest_step(self) -> int | None:
        """The newest complete step, or None."""
        return max(self.all_steps(), default=None)

    def all_steps(self) -> list[int]:
        """Complete steps, oldest first; names others in the log."""
        steps = sorted(self._manager.all_steps())
        complete = [step for step in steps if self._is_complete(step)]
        for step in set(steps) - set(complete):
            log.warning(
                "checkpoint %s is not complete and is passed over.",
                self.directory / str(step),
            )
        return complete

    def extra(self, step: int) -> dict:
        """Reads what was saved beside the state of `step`.

        Raises:
          RunError: no such step, a damaged one, or one of another format.
        """
        content = self._read(step, _EXTRA, ocp.args.JsonRestore())
        if content.get("format_version") != FORMAT_VERSION:
            raise RunError(
                f"checkpoint {self.directory / str(step)} has format version "
                f"{content.get('format_version')}, this program reads "
                f"{FORMAT_VERSION}; use the program that wrote it."
            )
        return content

    def restore(self, step: int, abstract: Any) -> Any:
        """Restores the state of `step`, wherever it was saved from.

        Args:
          step: a complete step.
          abstract: pytree of `jax.ShapeDtypeStruct`, with shardings for arrays on
            devices, or without for numpy arrays.

        Raises:
          RunError: no such step, a damaged one, or one of another model.
        """
        wanted = named_leaves(abstract)
        self._check_model(step, wanted)
        named = self._read(step, _STATE, ocp.args.StandardRestore(wanted))
        return from_named_leaves(abstract, named)

    def _read(self, step: int, item: str, how: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**{item: how}))[
                item
            ]
        # Orbax, tensorstore and zstd each have errors of their own.
        except Exception as error:
            raise self._damaged(step, error) from error

    def _saved_leaves(self, step: int) -> dict[str, Any]:
        try:
            metadata = self._manager.item_metadata(step)[_STATE]
        except Exception as error:
            raise self._damaged(step, error) from error
        if metadata is None:
            raise self._damaged(step, FileNotFoundError("it holds no state"))
        return metadata.tree

    def _is_complete(self, step: int) -> bool:
        """Whether everything is in its place, as it is not in half a copy."""
        try:
            self._saved_leaves(step)
            self._read(step, _EXTRA, ocp.args.JsonRestore())
        except RunError:
            return False
        return True

    def _check_model(self, step: int, wanted: dict[str, Any]) -> None:
        found = {name: _form(leaf) for name, leaf in self._saved_leaves(step).items()}
        for name in sorted(wanted.keys() | found.keys()):
            form = _form(wanted[name]) if name in wanted else "nothing"
            if found.get(name, "nothing") != form:
                raise RunError(
                    f"checkpoint {self.directory / str(step)} is of another model: "
                    f"{name} is {found.get(name, 'nothing')} in it and {form} in this "
                    "configuration; use the configuration that it was made with."
                )

    def _damaged(self, step: int, error: Exception) -> RunError:
        path = self.directory / str(step)
        if not path.is_dir():
            return RunError(f"there is no checkpoint {path}; train first.")
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        return RunError(
            f"checkpoint {path} cannot be read ({why}); remove that directory to go on "
            "from an older step."
        )

    def close(self) -> None:
        """Releases what orbax holds."""
        self._manager.close()


class BestCheckpoint:
    """Keeps the one step with the best score."""

    def __init__(self, directory: pathlib.Path, *, larger_is_better: bool):
        """Opens `directory`."""
        self.checkpointer = Checkpointer(directory, keep=None)
        self._sign = 1.0 if larger_is_better else -1.0

    def _goodness(self, step: int, name: str) -> float:
        """Of a saved step; what was judged by another score beats nothing."""
        extra = self.checkpointer.extra(step)
        is_same = extra.get("score_name") == name
        return self._sign * extra["score"] if is_same else -math.inf

    def offer(
        self, step: int, name: str, score: float, state: Any, extra: dict
    ) -> bool:
        """Saves `state` if its `score` beats the best so far; tells whether it did.

        A resumed run comes by steps that it was at before: there the same score
        again beats nothing, and the best stays what it was. A run that was resumed
        with another score begins anew.

        Args:
          step: of the state.
          name: of the score, whole: scores of other networks or numbers of images do
            not compare.
          score: of the state; the same on all processes.
          state: see `Checkpointer.save`.
          extra: see `Checkpointer.save`.
        """
        if not math.isfinite(score):
            return False
        steps = self.checkpointer.all_steps()
        best = max((self._goodness(s, name) for s in steps), default=-math.inf)
        if self._sign * score <= best:
            return False
        if step in steps:
            self.checkpointer.delete(step)
        # The new best is complete before the old one goes.
        judged = {"score": score, "score_name": name}
        self.checkpointer.save(step, state, {**judged, **extra})
        for other in set(steps) - {step}:
            self.checkpointer.delete(other)
        return True
