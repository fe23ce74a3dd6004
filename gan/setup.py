"""Everything that a run, an evaluation or a sampling stands on."""

from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from gan import factories
from gan.check_config import Facts, images_per_round, num_entries
from gan.label_sharded_step import make_label_sharded_step
from gan.sampling import Sampler
from gan.train_state import Pair, abstract_stack, create_stack
from gan.train_step import make_train_step
from parallel.mesh import DATA_AXIS, LABEL_AXIS, make_mesh, sharding
from parallel.reduction import mean_over


class Setup(NamedTuple):
    """What is made once from a configuration, the data's facts and the devices.

    Attributes:
      facts: what the data decides.
      num_entries: generator/discriminator pairs.
      mesh: devices on the axes (label, data).
      pair: networks and optimizers.
      state_layout: sharding of every leaf of the state.
      batch_layout: sharding of every leaf of the batches.
      key: source of all random numbers of the training.
      sampler: draws images.
      loop: how the pairs of one device take turns.
    """

    facts: Facts
    num_entries: int
    mesh: Mesh
    pair: Pair
    state_layout: Any
    batch_layout: Any
    key: jax.Array
    sampler: Sampler
    loop: str

    def create_state(self):
        """Creates the stack of pairs on the mesh."""
        return create_stack(
            jax.random.fold_in(self.key, 0),
            self.pair,
            self.num_entries,
            self.state_layout,
        )

    def abstract_state(self, layout: Any = None):
        """Shapes of the stack of pairs, with `layout` as sharding."""
        shapes = abstract_stack(self.pair, self.num_entries)
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout), shapes
        )

    @property
    def training_key(self) -> jax.Array:
        """Source of the latents of training."""
        return jax.random.fold_in(self.key, 1)


def make_setup(config, facts: Facts, devices: list | None = None) -> Setup:
    """Makes a `Setup`; `devices` are all devices by default."""
    entries = num_entries(config, facts)
    mesh = make_mesh(entries, images_per_round(config), devices)
    pair = factories.make_pair_from(config, facts, mean_over(DATA_AXIS))
    return Setup(
        facts=facts,
        num_entries=entries,
        mesh=mesh,
        pair=pair,
        state_layout=sharding(mesh, LABEL_AXIS),
        batch_layout=sharding(mesh, None, LABEL_AXIS, DATA_AXIS),
        key=jax.random.key(config.seed),
        sampler=Sampler(pair, config.model.conditioning, facts.num_labels),
        loop=factories.entry_loop(config, mesh.devices.flat[0].platform),
    )


def make_step(config, setup: Setup):
    """Compiles nothing yet; returns the step of all pairs on all devices."""
    train_step = make_train_step(
        setup.pair, factories.step_settings(config), mean_over(DATA_AXIS)
    )
    return make_label_sharded_step(
        train_step,
        setup.mesh,
        setup.num_entries,
        loop=setup.loop,
        chunk_size=config.parallel.chunk_size,
        steps_per_dispatch=config.parallel.steps_per_dispatch,
    )
