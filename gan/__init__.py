"""Label-sharded DC-GANs: one generator/discriminator pair per label."""
