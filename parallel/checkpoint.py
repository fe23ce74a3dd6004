"""Checkpoints: atomic, on any number of devices, latest and best."""

import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from parallel.errors import RunError

FORMAT_VERSION = 1
_STATE, _EXTRA = "state", "extra"


def named_leaves(tree: Any) -> dict[str, Any]:
    """Flattens a pytree to {"section/name": leaf}: what a checkpoint holds."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }


def from_named_leaves(template: Any, named: dict[str, Any]) -> Any:
    """Puts `named` leaves in the places that they have in `template`."""
    names = named_leaves(template)
    return jax.tree.unflatten(
        jax.tree.structure(template), [named[name] for name in names]
    )


class Checkpointer:
    """Saves and restores states in one directory.

    A step is written beside its place and moved there when it is complete; what a
    killed process leaves half-written is never seen as a step.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int | None):
        """Opens or creates `directory`, which holds the latest `keep` steps (None: all)."""
        self.directory = pathlib.Path(directory).resolve()
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                # The caller donates the state's memory to the next step, so it must
                # be on disk, or at least copied, before save returns.
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
            ),
        )

    def save(self, step: int, state: Any, extra: dict) -> None:
        """Saves `state` and the JSON-able `extra` as `step`; returns when complete."""
        content = {"format_version": FORMAT_VERSION, **extra}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                **{
                    _STATE: ocp.args.StandardSave(named_leaves(state)),
                    _EXTRA: ocp.args.JsonSave(content),
                }
            ),
            force=True,
        )

    def latest_step(self) -> int | None:
        """The newest complete step, or None."""
        return self._manager.latest_step()

    def all_steps(self) -> list[int]:
        """Complete steps, oldest first."""
        return sorted(self._manager.all_steps())

    def forget_after(self, step: int) -> None:
        """Deletes steps beyond `step`, left by a run that was further on."""
        for later in self._manager.all_steps():
            if later > step:
                self._manager.delete(later)

    def extra(self, step: int) -> dict:
        """Reads what was saved beside the state of `step`."""
        path = self.directory / str(step) / _EXTRA / "metadata"
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise self._damaged(step, error) from error
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
        self._check_names(step, wanted)
        try:
            restored = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    **{_STATE: ocp.args.StandardRestore(wanted)},
                ),
            )
        # Orbax, tensorstore and zstd each have errors of their own.
        except Exception as error:
            raise self._damaged(step, error) from error
        return from_named_leaves(abstract, restored[_STATE])

    def _check_names(self, step: int, wanted: dict[str, Any]) -> None:
        try:
            metadata = self._manager.item_metadata(step)[_STATE].tree
            found = {name: tuple(leaf.shape) for name, leaf in metadata.items()}
        except Exception as error:
            raise self._damaged(step, error) from error
        for name in sorted(wanted.keys() | found.keys()):
            shape = tuple(wanted[name].shape) if name in wanted else "nothing"
            if found.get(name, "nothing") != shape:
                raise RunError(
                    f"checkpoint {self.directory / str(step)} is of another model: "
                    f"{name} is {found.get(name, 'nothing')} in it and {shape} in this "
                    "configuration; use the configuration that it was made with."
                )

    def _damaged(self, step: int, error: Exception) -> RunError:
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        return RunError(
            f"checkpoint {self.directory / str(step)} cannot be read ({why}); remove "
            "that directory to go on from an older step."
        )

    def close(self) -> None:
        """Releases what orbax holds."""
        self._manager.close()


class BestCheckpoint:
    """Keeps the one step with the best score."""

    def __init__(self, directory: pathlib.Path, *, larger_is_better: bool):
        """Opens or creates `directory`."""
        self.checkpointer = Checkpointer(directory, keep=1)
        self._sign = 1.0 if larger_is_better else -1.0

    def offer(self, step: int, score: float, state: Any, extra: dict) -> bool:
        """Saves `state` if its `score` beats the best so far; tells whether it did."""
        if not np.isfinite(score):
            return False
        held = self.checkpointer.latest_step()
        if held is not None and held != step:
            best = self.checkpointer.extra(held)["score"]
            if self._sign * score <= self._sign * best:
                return False
            # Orbax keeps the newest step; a resumed run may be behind the best one.
            self.checkpointer.forget_after(step)
        self.checkpointer.save(step, state, {"score": score, **extra})
        return True


def remove_checkpoints(directory: pathlib.Path) -> None:
    """Deletes every checkpoint in `directory`."""
    shutil.rmtree(directory, ignore_errors=True)
