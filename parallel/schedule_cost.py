"""Predicts a compiled step: its schedule, replayed on a machine that is described.

This is a model of the compiler's schedule and no measurement: instructions take the
time of their products or of their bytes, whichever is longer; one collective is under
way at a time.
"""

import dataclasses
from typing import NamedTuple

from parallel.compiled import Collective, collectives
from parallel.hlo_program import Instruction, Program
from parallel.hlo_work import FREE, Work, trips


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a device and its link can do.

    Attributes:
      flops_per_second: sustained in matrix products.
      memory_bytes_per_second: of the device's memory.
      launch_seconds: of an instruction that does nothing.
      link_bytes_per_second: of one device, in and out at a time.
      link_seconds: of a collective of nothing.
    """

    flops_per_second: float
    memory_bytes_per_second: float
    launch_seconds: float
    link_bytes_per_second: float
    link_seconds: float

    def collective_seconds(self, collective: Collective) -> float:
        """Of one collective in a ring: n devices send 2 (n - 1) / n of an all-reduce.

        A gather, scatter or exchange sends half of that.
        """
        n = max(len(group) for group in collective.groups)
        passes = 2 if collective.kind == "all-reduce" else 1
        num_bytes = collective.num_bytes
        if collective.kind == "reduce-scatter":
            num_bytes *= n  # its result is one of n parts
        sent = passes * (n - 1) / n * num_bytes
        return self.link_seconds + sent / self.link_bytes_per_second


class Prediction(NamedTuple):
    """One step, replayed.

    Attributes:
      step_seconds: from the first instruction to the last result.
      compute_seconds: of all instructions but the collectives.
      communication_seconds: of all collectives.
    """

    step_seconds: float
    compute_seconds: float
    communication_seconds: float

    @property
    def exposed_seconds(self) -> float:
        """By which communication makes the step longer."""
        return self.step_seconds - self.compute_seconds

    @property
    def hidden_share(self) -> float:
        """Of the communication that runs beside compute."""
        if not self.communication_seconds:
            return 1.0
        return 1 - self.exposed_seconds / self.communication_seconds


class _Replay:
    def __init__(self, program: Program, machine: Machine):
        self.program, self.machine = program, machine
        self.work = Work(program)
        self.at = {(c.computation, c.start): c for c in collectives(program)}
        self.now = self.compute = self.communication = self.link_free = 0.0

    def run(self, computation: str) -> None:
        waits = {}
        for place, instruction in enumerate(self.program.computations[computation]):
            if place in waits:
                self.now = max(self.now, waits.pop(place))
            collective = self.at.get((computation, place))
            if collective is not None:
                end = self._send(collective)
                if collective.is_asynchronous:
                    waits[collective.done] = end
                else:
                    self.now = end
            elif instruction.opcode == "while":
                for _ in range(trips(instruction)):
                    self.run(instruction.called)
            else:
                self._compute(computation, instruction)

    def _send(self, collective: Collective) -> float:
        seconds = self.machine.collective_seconds(collective)
        self.communication += seconds
        self.link_free = max(self.link_free, self.now) + seconds
        return self.link_free

    def _compute(self, computation: str, instruction: Instruction) -> None:
        if instruction.opcode in FREE or instruction.opcode.endswith("-done"):
            return
        flops = self.work.flops(computation, instruction)
        num_bytes = self.work.num_bytes(computation, instruction)
        seconds = self.machine.launch_seconds + max(
            flops / self.machine.flops_per_second,
            num_bytes / self.machine.memory_bytes_per_second,
        )
        self.now += seconds
        self.compute += seconds


def predict(program: Program, machine: Machine) -> Prediction:
    """Replays the entry computation of a scheduled program.

    Raises:
      ValueError: the program is not scheduled.
    """
    if not program.is_scheduled:
        raise ValueError("the program is not scheduled: its text shows no order.")
    replay = _Replay(program, machine)
    replay.run(program.entry)
    step = max(replay.now, replay.link_free)
    return Prediction(step, replay.compute, replay.communication)
