"""Where a run goes back to when its numbers went bad."""

from typing import Any, Protocol

from parallel.checkpoint import Checkpointer


class Restorable(Protocol):
    """What makes states, and says what they look like."""

    state_layout: Any

    def create_state(self) -> Any:
        """Creates the state before the first step."""

    def abstract_state(self, layout: Any) -> Any:
        """Shapes of the state, with `layout` as sharding."""


def last_good(setup: Restorable, checkpointer: Checkpointer) -> tuple[int, Any]:
    """The newest saved state, or the initial one; only finite ones are saved."""
    step = checkpointer.latest_step()
    if step is None:
        return 0, setup.create_state()
    abstract = setup.abstract_state(setup.state_layout)
    return step, checkpointer.restore(step, abstract)
