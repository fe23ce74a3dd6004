"""What experiments share."""

import ml_collections

GAN_VARIANTS = ("paper", "tuned", "wasserstein", "single", "conditional", "smoke")


def unknown_variant(variant: str, variants: tuple[str, ...]) -> ValueError:
    """The error of a configuration file that was asked for another variant."""
    return ValueError(
        f"unknown variant {variant!r}; choose one of {', '.join(variants)}"
    )


def make_wasserstein(config: ml_collections.ConfigDict) -> None:
    """Plays the game of arXiv:2207.12315: Wasserstein with a penalty on the slope."""
    config.model.discriminator_normalisation = "layer"
    config.optimizer.loss = "wasserstein"
    config.optimizer.gradient_penalty = 10.0
    config.optimizer.discriminator_steps = 5
    config.optimizer.beta1 = 0.0
    config.optimizer.beta2 = 0.9


def gan_base() -> ml_collections.ConfigDict:
    """The published label-sharded DC-GAN (arXiv:2102.10485); files fill in the data."""
    config = ml_collections.ConfigDict()
    config.workload = "gan"
    config.seed = 0
    config.num_steps = 0
    config.per_entry_batch_size = 100  # images of one pair per step, all devices
    config.log_every_steps = 50
    config.sample_every_steps = 500
    config.checkpoint_every_steps = 500
    config.keep_checkpoints = 2

    config.dataset = dataset = ml_collections.ConfigDict()
    dataset.name = ""
    dataset.data_dir = "~/tensorflow_datasets"
    dataset.cache_dir = ""  # empty: the user's cache directory
    dataset.num_labels = 0  # 0: as many as the data has
    dataset.channels = 0  # 0: as many as the data has
    dataset.image_size = 64
    dataset.resize = "bilinear"
    dataset.flip = False
    dataset.streamed = False  # decode while training, for sets that fill no memory

    config.model = model = ml_collections.ConfigDict()
    model.conditioning = "per_label"  # or "none" (single), "class" (conditional)
    model.features = (512, 256, 128, 64)
    model.latent_size = 100
    model.discriminator_normalisation = "batch"
    model.dtype = "float32"

    config.optimizer = optimizer = ml_collections.ConfigDict()
    optimizer.loss = "non_saturating"
    optimizer.gradient_penalty = 0.0
    optimizer.discriminator_steps = 1
    optimizer.generator_learning_rate = 1e-4
    optimizer.discriminator_learning_rate = 1e-4
    optimizer.decay_share = 0.0  # of num_steps, the last: both rates fall to zero
    optimizer.beta1 = 0.5
    optimizer.beta2 = 0.999
    optimizer.ema_decay = 0.999

    config.parallel = parallel = ml_collections.ConfigDict()
    parallel.entry_loop = "auto"  # or dispatch, unroll, scan, vmap, chunk
    parallel.chunk_size = 10  # pairs per vmap, for chunk
    parallel.steps_per_dispatch = 1  # more are a compiled loop, slow on a CPU
    parallel.compilation_cache_dir = ""  # empty: the user's cache; or "off"

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.every_steps = 1000
    evaluation.num_real = 10_000
    evaluation.num_fake = 10_000
    evaluation.networks = ("own_classifier",)
    evaluation.classifier_epochs = 3
    evaluation.inception_path = ""
    evaluation.inception_sha256 = (
        "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
    )
    evaluation.imagenet_path = ""
    evaluation.imagenet_sha256 = (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    )
    evaluation.best_metric = "fid"
    evaluation.grid_columns = 10
    return config


def inverse_base() -> ml_collections.ConfigDict:
    """The published density network and its reduction (arXiv:1909.11150)."""
    config = ml_collections.ConfigDict()
    config.workload = "inverse"
    config.task = "density"  # or distortion
    config.seed = 0
    config.num_steps = 100_000
    config.per_device_batch_size = 1
    config.log_every_steps = 50
    config.checkpoint_every_steps = 1000
    config.keep_checkpoints = 2

    config.dataset = dataset = ml_collections.ConfigDict()
    dataset.structures = ""  # folder of CIFs; empty: embedded ones
    dataset.num_examples = 0  # that are trained on, again and again; 0: all are new
    dataset.stored = ""  # folder of --mode=simulate; empty: simulated while training
    dataset.corrupt_shards = "stop"  # or skip: others take the place of what they held
    dataset.shard_examples = 256  # of a file that --mode=simulate writes
    # The first that holds out four materials or more, twice, and none to be reported of
    # those (Ni, C, CdTe, KCl) that the strains of training were once chosen by.
    dataset.split_seed = 5
    dataset.validation_share = 0.12  # of the materials: choices are made on them
    dataset.held_out_share = 0.2  # of the materials: reported
    dataset.held_out_space_groups = (229,)
    dataset.zone_axes = ((0, 0, 1), (1, 1, 0), (1, 1, 1))
    dataset.strains = (0.0,)  # of the lattices that are trained on, each a crystal
    dataset.extent_a = 100.0  # side of what is simulated
    dataset.scan_fraction = 0.5  # of it, in the middle, that is scanned
    dataset.energy_ev = 100e3
    dataset.semiangle_mrad = 20.0
    dataset.blur_a = 0.2
    # Each example draws uniformly between two values.
    dataset.thickness_a = (20.0, 200.0)
    dataset.defocus_a = (-50.0, 50.0)
    dataset.astigmatism_a = (0.0, 0.0)
    dataset.tilt_mrad = (0.0, 5.0)
    dataset.log10_dose = (4.0, 6.0)  # electrons per position; (): no counting noise
    dataset.rms_a = (0.07, 0.07)
    # Between physical units and the network's: fixed, so that nothing loses its scale.
    dataset.layout = "patterns"  # or positions
    dataset.bins = 8  # of a pattern along an axis, for positions
    dataset.intensity = "sqrt"  # of the patterns: or linear, log
    dataset.pattern_scale = 1.0
    dataset.pattern_mean = 0.96  # of a training pixel, where a file gives no dose
    dataset.density_mean_va = 0.0
    dataset.density_scale_va = 1.0

    config.optimizer = optimizer = ml_collections.ConfigDict()
    optimizer.loss = "l1"  # or huber, mse
    optimizer.huber_start = 1.0
    optimizer.huber_end = 0.01
    optimizer.larc = True
    optimizer.weight_decay = 1e-8
    optimizer.schedule = "published"  # or cosine
    optimizer.learning_rate = 1e-4
    optimizer.warm_steps = 1000
    optimizer.decay = 0.99
    optimizer.decay_steps = 1000
    optimizer.largest_learning_rate = 1e-3
    optimizer.ema_decay = 0.9999

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.every_steps = 1000
    evaluation.num_examples = 64  # of each split
    evaluation.best_metric = "relative_l2"
    evaluation.num_panels = 4
    evaluation.phase_retrieval_steps = 50  # of that baseline; 0: it is left out

    config.model = model = ml_collections.ConfigDict()
    model.channels = 1024  # probe positions
    model.image_size = 512  # pixels of a pattern's side
    model.growth = 256
    model.kernel_size = 5
    model.layers_down = (1, 2, 4)
    model.layers_bottleneck = 3
    model.layers_up = (4, 2, 1)
    model.upsampling = "resize"
    model.dropout = 0.0  # share of a dense layer's outputs, in training
    model.remat = "auto"  # where machine.memory_gib is too little; or always, never
    model.batch_statistics = "shared"  # of all devices, or each its own: local
    model.dtype = "bfloat16"

    config.parallel = parallel = ml_collections.ConfigDict()
    parallel.micro_batches = 1  # parts of a device's batch, reduced together
    parallel.policy = "optimal"  # tuned: every way is compiled, the best one kept
    parallel.num_groups = 8  # for chunks
    parallel.first_mib = 1.0  # for byte_bounds
    parallel.largest_mib = 25.0
    parallel.last_mib = 1.0
    parallel.wire_dtype = "bfloat16"
    parallel.verify = "error"  # or warn, where a compiled program departs from the plan
    parallel.compilation_cache_dir = ""  # empty: the user's cache; or "off"

    # What the plan is made for, and predictions are made with.
    config.machine = machine = ml_collections.ConfigDict()
    machine.platform = "gpu"
    machine.device_tflops = 400.0  # sustained by one device in this network
    machine.link_gb_per_second = 25.0  # of one device, to reduce over
    machine.memory_gib = 80.0  # of one device
    machine.memory_tb_per_second = 2.7  # of one device, sustained; for policy "tuned"
    machine.latency_us = 50.0  # of one reduction of nothing
    return config


def make_smoke(config: ml_collections.ConfigDict) -> None:
    """Shrinks `config` to a run of seconds that still visits everything."""
    config.num_steps = 4
    config.per_entry_batch_size = 8
    config.log_every_steps = 2
    config.sample_every_steps = 4
    config.checkpoint_every_steps = 2
    config.evaluation.every_steps = 4
    config.evaluation.num_real = 1000
    config.evaluation.num_fake = 1000
    config.evaluation.classifier_epochs = 1


def distortion_base() -> ml_collections.ConfigDict:
    """Distortions of perovskites (arXiv:1902.06876), in maps with error bars."""
    config = inverse_base()
    config.task = "distortion"
    config.per_device_batch_size = 16

    config.dataset = dataset = ml_collections.ConfigDict()
    dataset.library = ""  # directory of simulated crystals; empty: in the workdir
    dataset.num_examples = 0  # crystals that are trained on; 0: always new ones
    dataset.views = 2  # foci in which each is seen
    dataset.held_out = ("SrTiO3", "BiFeO3", "NdFeO3")
    dataset.cells = 4  # across the beam, along each side; even
    dataset.layers = 40  # along the beam, at most
    dataset.thinnest = 12
    dataset.max_tilt_deg = 15.0
    dataset.max_shift_a = 0.3
    dataset.num_moments = 3
    dataset.lateral_weights = (0.6, 0.2, 0.2)  # constant, wave, wall
    # Fixed: every compound and the detectors have constants for it.
    dataset.energy_ev = 300e3
    dataset.semiangle_mrad = 27.0
    dataset.haadf_mrad = (60.0, 100.0)
    dataset.bright_mrad = 35.0
    dataset.phonon_rms_a = 0.08
    dataset.pixels_per_cell = 20
    dataset.gpts_per_cell = 32
    dataset.defocus_a = (-30.0, 30.0)
    dataset.held_out_defocus_a = (40.0, 60.0)
    # Each view draws uniformly between two values.
    dataset.source_rms_a = (0.3, 0.6)
    dataset.log10_dose = (3.5, 5.0)  # electrons per A^2
    dataset.line_jitter_pm = 4.0
    dataset.origin_pm = 15.0  # by which A's mean place is known
    dataset.detector_sets = ("HAADF", "ABF", "HAADF+ABF", "HAADF+ABF+iDPC")
    dataset.detector_weights = (0.25, 0.15, 0.2, 0.4)
    # Between physical units and the network's.
    dataset.tilt_scale_deg = 3.0
    dataset.shift_scale_pm = 10.0

    config.optimizer.loss = "gaussian"
    config.optimizer.beta = 0.5  # of it: 0 is the likelihood, 1 learns means alone
    config.optimizer.schedule = "cosine"
    config.optimizer.larc = False
    # A token's matrix adds up some 5,000 pixels: of 16 images a step, at ten times the
    # rate it diverges.
    config.optimizer.learning_rate = 1.5e-4
    config.optimizer.warm_steps = 100
    config.optimizer.ema_decay = 0.99

    config.evaluation = evaluation = ml_collections.ConfigDict()
    evaluation.every_steps = 1000
    evaluation.num_examples = 128  # of each split
    evaluation.log10_dose = 4.0
    evaluation.detector_sets = ("HAADF", "HAADF+ABF", "HAADF+ABF+iDPC")
    evaluation.best_metric = "nll"
    evaluation.num_panels = 4

    # Of a measured image, or of several that were recorded at once.
    config.prediction = prediction = ml_collections.ConfigDict()
    prediction.detectors = ""  # of each file, in their order, joined by +; empty: HAADF
    prediction.pixel_a = 0.0  # 0: as the file says
    prediction.oxide = ""  # of the mean structure's atoms; empty: none is written

    config.model = model = ml_collections.ConfigDict()
    model.kind = "map"  # or one answer per crop: classes, angles
    model.form = "cells"  # of maps: one token per octahedron; or pixels
    model.binning = 2  # pixels along x and y that cells see as one
    model.features = 256
    model.num_blocks = 2
    model.dilations = (1, 2, 4, 1, 2, 4)
    model.widths = (64, 128, 256, 512, 512)  # of crops' networks
    model.layers = (2, 2, 3, 3, 3)
    model.class_threshold_deg = 1.0
    model.dropout = 0.0
    model.remat = "never"
    model.batch_statistics = "shared"
    model.dtype = "bfloat16"
    return config
