"""Small training steps that every protocol can play, drawn from a seed."""

import functools

import numpy as np

from parallel.control_plane import coordinator, request_tree, static_plan
from parallel.control_plane.bitvector import Bitvector
from parallel.control_plane.readiness import jittered
from parallel.control_plane.records import Tensor, fuse
from parallel.control_plane.superstep import ControlCost

COST = ControlCost(latency_seconds=3e-6, bytes_per_second=1e9, record_seconds=2e-6)
FUSION_BYTES = 4_000
NUM_RANKS = (1, 2, 3, 4, 5, 7, 8, 13, 21)


def tensors(num_tensors, seed=0):
    """Of different sizes and two types."""
    generator = np.random.default_rng(seed)
    return [
        Tensor(
            f"block_{i}/kernel",
            (int(generator.integers(1, 900)),),
            str(generator.choice(["float16", "float32"])),
        )
        for i in range(num_tensors)
    ]


def ready(num_ranks, num_tensors, seed, jitter=0.2):
    """So jittered that neighbours often change places."""
    return jittered(num_ranks, num_tensors, num_cycles=9, jitter=jitter, seed=seed)


def plan(of):
    """Groups in the order of the list."""
    return fuse(range(len(of)), of.__getitem__, FUSION_BYTES)


def play_bitvector(of, times, asked=None):
    """A first step, which fills the caches, and a second."""
    ranks = Bitvector(len(times), COST, fusion_bytes=FUSION_BYTES)
    ranks.step(of, times)
    return ranks.step(of, times, asked)


def play_first_bitvector(of, times, asked=None):
    """With empty caches."""
    ranks = Bitvector(len(times), COST, fusion_bytes=FUSION_BYTES)
    return ranks.step(of, times, asked)


def play_static_plan(of, times, asked=None):
    """Nobody asks for anything."""
    return static_plan.run_step(plan(of), times)


def play_coordinator(of, times, asked=None):
    """All ask rank 0."""
    return coordinator.run_step(of, times, COST, fusion_bytes=FUSION_BYTES, asked=asked)


def play_tree(of, times, asked=None, arity=3):
    """All ask the rank above."""
    return request_tree.run_step(
        of, times, COST, fusion_bytes=FUSION_BYTES, arity=arity, asked=asked
    )


NEGOTIATING = {
    "coordinator": play_coordinator,
    "tree of 1": functools.partial(play_tree, arity=1),
    "tree of 2": functools.partial(play_tree, arity=2),
    "tree of 3": play_tree,
    "first bitvector": play_first_bitvector,
    "bitvector": play_bitvector,
}
PROTOCOLS = {**NEGOTIATING, "static plan": play_static_plan}
