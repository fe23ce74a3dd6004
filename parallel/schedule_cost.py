"""Predicts a compiled step: its schedule, replayed on a machine that is described.

This is a model of the compiler's schedule and no measurement: instructions take the
time of their products or of their bytes, whichever is longer; one collective is under
way at a time.
"""

import dataclasses
from typing import NamedTuple

from parallel.compiled import OP_NAME, Collective, collectives
from parallel.hlo_program import Instruction, Program
from parallel.hlo_work import FREE, Work, trips

_COPIES = ("collective-permute", "collective-broadcast")


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

        A gather, scatter or exchange sends half of that; a copy to one other, or to
        all, sends everything once.
        """
        n = max(len(group) for group in collective.groups)
        passes = 2 if collective.kind == "all-reduce" else 1
        num_bytes = collective.num_bytes
        if collective.kind == "reduce-scatter":
            num_bytes *= n  # its result is one of n parts
        share = 1 if collective.kind in _COPIES else passes * (n - 1) / n
        sent = share * num_bytes
        return self.link_seconds + sent / self.link_bytes_per_second


class Prediction(NamedTuple):
    """One step, replayed.

    Attributes:
      step_seconds: from the first instruction to the last result.
      compute_seconds: of all instructions but the collectives.
      communication_seconds: of all collectives.
      num_collectives: that were issued.
    """

    step_seconds: float
    compute_seconds: float
    communication_seconds: float
    num_collectives: int

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


class Event(NamedTuple):
    """Something that takes time in a replayed step.

    Attributes:
      lane: "compute", "link" or "waiting".
      name: of the instruction.
      scope: where it stands in the Python source's scopes; "" if the compiler made it.
      begin: [seconds] since the step began.
      end: [seconds] since the step began.
    """

    lane: str
    name: str
    scope: str
    begin: float
    end: float


class _Replay:
    def __init__(self, program: Program, machine: Machine):
        self.events: list[Event] = []
        self.program, self.machine = program, machine
        self.work = Work(program)
        self.at = {(c.computation, c.start): c for c in collectives(program)}
        self.now = self.compute = self.communication = self.link_free = 0.0

    def run(self, computation: str) -> None:
        waits = {}
        for place, instruction in enumerate(self.program.computations[computation]):
            if place in waits:
                self._wait(*waits.pop(place))
            collective = self.at.get((computation, place))
            if collective is not None:
                end = self._send(collective, instruction)
                if collective.is_asynchronous:
                    waits[collective.done] = end, collective, instruction
                else:
                    self._wait(end, collective, instruction)
            elif instruction.opcode == "while":
                for _ in range(trips(instruction)):
                    self.run(instruction.called)
            else:
                self._compute(computation, instruction)

    def _send(self, collective: Collective, instruction: Instruction) -> float:
        seconds = self.machine.collective_seconds(collective)
        self.communication += seconds
        begin = max(self.link_free, self.now)
        self.link_free = begin + seconds
        about = instruction.name, collective.op_name
        self.events.append(Event("link", *about, begin, self.link_free))
        return self.link_free

    def _wait(
        self, end: float, collective: Collective, instruction: Instruction
    ) -> None:
        if end > self.now:
            about = instruction.name, collective.op_name
            self.events.append(Event("waiting", *about, self.now, end))
            self.now = end

    def _compute(self, computation: str, instruction: Instruction) -> None:
        if instruction.opcode in FREE or instruction.opcode.endswith("-done"):
            return
        flops = self.work.flops(computation, instruction)
        num_bytes = self.work.num_bytes(computation, instruction)
        seconds = self.machine.launch_seconds + max(
            flops / self.machine.flops_per_second,
            num_bytes / self.machine.memory_bytes_per_second,
        )
        scope = OP_NAME.search(instruction.line)
        about = instruction.name, scope[1] if scope else ""
        self.events.append(Event("compute", *about, self.now, self.now + seconds))
        self.now += seconds
        self.compute += seconds


def predict(program: Program, machine: Machine) -> Prediction:
    """Replays the entry computation of a scheduled program.

    Raises:
      ValueError: the program is not scheduled.
    """
    return replay(program, machine)[0]


def replay(program: Program, machine: Machine) -> tuple[Prediction, list[Event]]:
    """As `predict`, with everything that happens, in the order of its beginning."""
    if not program.is_scheduled:
        raise ValueError("the program is not scheduled: its text shows no order.")
    played = _Replay(program, machine)
    played.run(program.entry)
    step = max(played.now, played.link_free)
    count = sum(event.lane == "link" for event in played.events)
    prediction = Prediction(step, played.compute, played.communication, count)
    return prediction, sorted(played.events, key=lambda event: event.begin)
