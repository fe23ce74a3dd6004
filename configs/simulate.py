"""A 4D-STEM scan of a crystal: patterns, images of detectors, projected potential."""

import ml_collections

from configs import common

VARIANTS = ("haadf", "smoke")


def get_config(variant: str = "haadf") -> ml_collections.ConfigDict:
    """A 4D-STEM scan of a crystal: patterns, images of detectors, projected potential.

    haadf: SrTiO3 [001], 80 A, 200 keV; one cell, 20 x 20 positions, 4 frozen phonons
    smoke: one cell of thin SrTiO3, 4 x 4 positions; seconds

    python main.py --config=configs/simulate.py --mode=simulate --workdir=runs/haadf
    python main.py --config=configs/simulate.py --mode=simulate --dry_run
    """
    config = ml_collections.ConfigDict()
    config.workload = "simulate"
    config.seed = 0
    config.memory_gib = 0.0  # of one device that may be used; 0: half of it
    config.method = "auto"  # or probes, s_matrix
    config.parallel = ml_collections.ConfigDict()
    config.parallel.compilation_cache_dir = ""  # empty: the user's cache; or "off"

    config.specimen = specimen = ml_collections.ConfigDict()
    specimen.structure = "SrTiO3"  # an embedded crystal, or a file that ase reads
    specimen.zone_axis = (0, 0, 1)
    specimen.extent_a = 15.0  # least side across the beam; whole cells
    specimen.thickness_a = 80.0  # whole periods, at least so much
    specimen.slice_thickness_a = 2.0
    specimen.strain = (0.0, 0.0, 0.0)  # shares along x, y, z
    specimen.tilt_mrad = (0.0, 0.0)  # of the specimen along x and y
    specimen.rms_a = 0.08  # thermal displacement of an atom along one axis
    specimen.frozen_phonons = 4  # 0: still atoms, blurred by the displacement
    specimen.table = "lobato"  # or kirkland

    config.beam = beam = ml_collections.ConfigDict()
    beam.energy_ev = 200e3
    beam.semiangle_cutoff_mrad = 20.0
    # Cnm [A] and their azimuths phinm [rad]; C10 is -defocus, C30 is Cs.
    beam.aberrations = aberrations = ml_collections.ConfigDict()
    aberrations.C10 = 0.0
    aberrations.C12, aberrations.phi12 = 0.0, 0.0
    aberrations.C21, aberrations.phi21 = 0.0, 0.0
    aberrations.C23, aberrations.phi23 = 0.0, 0.0
    aberrations.C30 = 0.0
    aberrations.C32, aberrations.phi32 = 0.0, 0.0
    aberrations.C34, aberrations.phi34 = 0.0, 0.0
    aberrations.C50 = 0.0
    beam.focal_spread_a = 0.0  # standard deviation
    beam.source_rms_a = 0.3

    config.scan = scan = ml_collections.ConfigDict()
    scan.extent_a = (0.0, 0.0)  # y, x from the cell's corner; 0: one period of it
    scan.gpts = (20, 20)  # y, x

    config.detector = detector = ml_collections.ConfigDict()
    detector.max_angle_mrad = 120.0  # up to which the grid propagates
    detector.pattern_angle_mrad = 60.0  # up to which patterns are kept; 0: all
    detector.binning = 1
    detector.rings_mrad = ml_collections.ConfigDict(
        {"BF": (0.0, 10.0), "ABF": (10.0, 20.0), "HAADF": (70.0, 120.0)}
    )
    detector.dose = 0.0  # electrons per position; 0: no counting noise

    if variant == "smoke":
        specimen.extent_a = 7.0
        specimen.thickness_a = 8.0
        specimen.frozen_phonons = 1
        scan.gpts = (4, 4)
        detector.max_angle_mrad = 80.0
        detector.rings_mrad.HAADF = (60.0, 80.0)
        detector.dose = 1e5
    elif variant != "haadf":
        raise common.unknown_variant(variant, VARIANTS)
    return config
