"""Checkpoints: atomic, checksummed, on any number of devices, latest and best."""

import errno
import os
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from parallel.abandoned_reads import leave_out_abandoned_reads
from parallel.agreement import from_first, list_from_first
from parallel.errors import RunError, is_of_lost_peer
from parallel.manifest import has_manifest, why_not_good, write_manifest
from parallel.mesh import is_first_process
from parallel.named_leaves import from_named_leaves, named_leaves
from parallel.rejected_steps import RejectedSteps, name_rejected

FORMAT_VERSION = 2  # 1 had no manifest
_STATE, _EXTRA = "state", "extra"
_ALL_BAD = -2
_START_OVER = "add --fresh to start over, or put an intact copy there"


def _form(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


class Checkpointer:
    """Saves and restores states in one directory.

    A step is written beside its place and moved there when it is complete; then it
    gets a manifest with the checksum of every file, and only then do older steps go.
    What a killed process leaves half-written, and what was damaged since, is never
    taken for a step. Opening and reading changes nothing on disk, so a run may be
    looked at while it is being trained.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int | None):
        """Opens `directory`, which holds the latest `keep` steps (None: all)."""
        self.directory = pathlib.Path(directory).resolve()
        self._keep = keep
        self._writes = False
        self._rejected = RejectedSteps(self.directory)
        leave_out_abandoned_reads()
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
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
        is_first, self._writes = not self._writes, True
        # Only the first process knows what it rejected, now or since it began to write.
        if is_first or from_first(int(self._rejected.any())):
            self._manager.close()
            if is_first_process():
                self._rejected.set_aside()
            from_first(0)  # nobody lists the steps before that is done
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
          RunError: it could not be written, e.g. to a full disk.
        """
        named = named_leaves(state)
        for name, leaf in named.items():
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                raise TypeError(f"{name} is a PRNG key; save its jax.random.key_data.")
        try:
            self._start_writing()
            if from_first(int(self._is_incomplete(step))):
                self._manager.delete(step)
            self._save(step, named, extra)
        # Orbax and tensorstore wrap what the file system says in errors of their own.
        except (OSError, ValueError, RuntimeError) as error:
            if "already exists" in str(error) or is_of_lost_peer(error):
                raise
            raise self._unsaved(step, error) from error

    def _save(self, step: int, named: dict[str, Any], extra: dict) -> None:
        content = {"format_version": FORMAT_VERSION, **extra}
        items = {
            _STATE: ocp.args.StandardSave(named),
            _EXTRA: ocp.args.JsonSave(content),
        }
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)
        if is_first_process():
            write_manifest(self.directory / str(step), FORMAT_VERSION)
        from_first(0)  # no older step goes before this one has its manifest
        if self._keep is not None:
            kept = self.agreed_steps()[-self._keep :]
            # Also what a deletion that was killed has left of a step.
            for old in list_from_first(sorted(self._manager.all_steps())):
                if kept and old < kept[0]:
                    self._manager.delete(old)

    def _is_incomplete(self, step: int) -> bool:
        there = self._manager.all_steps()
        return step in there and self.why_not_good(step) is not None

    def _unsaved(self, step: int, error: Exception) -> RunError:
        why = getattr(error, "strerror", None) or (str(error) or type(error).__name__)
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            if os.strerror(code) in str(error):
                why = os.strerror(code)
        return RunError(
            f"checkpoint {self.directory / str(step)} could not be saved "
            f"({why.splitlines()[0][:200]}); older steps are as they were: mend that "
            "and run the same command again."
        )

    def delete(self, step: int) -> None:
        """Deletes a step."""
        self._start_writing()
        self._manager.delete(step)

    def latest_step(self, remedy: str = _START_OVER) -> int | None:
        """The newest step that is as it was written, or None where there is none yet.

        All of it is read and compared with its checksums; each newer step that is not
        good is named in the log. The first process does that for all. Steps whose save
        never ended are no steps yet: the next save sets them aside.

        Args:
          remedy: what the error tells people to do.

        Raises:
          RunError: steps were saved to the end, and not one is good.
        """
        found = -1
        if is_first_process():
            found = self._newest_good()
        found = from_first(found)
        if found == _ALL_BAD:
            raise RunError(
                f"no checkpoint in {self.directory} can be trusted"
                f"{self._rejected.newest()}; {remedy}."
            )
        return found if found >= 0 else None

    def _newest_good(self) -> int:
        steps = sorted(self._manager.all_steps(), reverse=True)
        good = (s for s in steps if self._rejected.judge(s, self.why_not_good(s)))
        # A kill in the very first save damages nothing that was ever whole.
        were_whole = [s for s in steps if has_manifest(self.directory / str(s))]
        return next(good, _ALL_BAD if were_whole else -1)

    def good_steps(self) -> list[int]:
        """Steps that are as they were written, oldest first, the same on all processes.

        Like `latest_step`, but of all steps, and that none is good is no error.
        """
        steps = sorted(self._manager.all_steps()) if is_first_process() else []
        return list_from_first(
            [s for s in steps if self._rejected.judge(s, self.why_not_good(s))]
        )

    def why_not_good(self, step: int, *, read_all: bool = True) -> str | None:
        """Says what is wrong with a step, see `parallel.manifest.why_not_good`."""
        place = self.directory / str(step)
        return why_not_good(place, FORMAT_VERSION, read_all=read_all)

    def all_steps(self) -> list[int]:
        """Steps with every file in its place, oldest first; names others in the log."""
        complete = []
        for step in sorted(self._manager.all_steps()):
            why = self.why_not_good(step, read_all=False)
            if why is None:
                complete.append(step)
            else:
                name_rejected(self.directory / str(step), why)
        return complete

    def agreed_steps(self) -> list[int]:
        """`all_steps` as the first process sees it, on all processes.

        Deleting is collective: one that lists the directory itself, while the first
        already deletes, would wait for other things than the others.
        """
        return list_from_first(self.all_steps() if is_first_process() else [])

    def extra(self, step: int) -> dict:
        """Reads what was saved beside the state of `step`.

        Raises:
          RunError: no such step, a damaged one, or one of another format.
        """
        content = self._read(step, _EXTRA, ocp.args.JsonRestore())
        if not isinstance(content, dict):
            raise self._damaged(step, ValueError("what lies beside it is no record"))
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
            if is_of_lost_peer(error):
                raise
            raise self._damaged(step, error) from error

    def _saved_leaves(self, step: int) -> dict[str, Any]:
        try:
            metadata = self._manager.item_metadata(step)[_STATE]
        except Exception as error:
            if is_of_lost_peer(error):
                raise
            raise self._damaged(step, error) from error
        if metadata is None:
            raise self._damaged(step, FileNotFoundError("it holds no state"))
        return metadata.tree

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
