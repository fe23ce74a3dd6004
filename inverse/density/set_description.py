"""What a stored set of examples says of itself, and whom it suits."""

import json
import pathlib

from inverse.errors import ConfigError
from parallel.whole_file import write_whole

_FORMAT = 1
# What an example depends on, besides the program.
_DATASET_FIELDS = (
    "structures",
    "split_seed",
    "validation_share",
    "held_out_share",
    "held_out_space_groups",
    "zone_axes",
    "strains",
    "extent_a",
    "scan_fraction",
    "energy_ev",
    "semiangle_mrad",
    "blur_a",
    "thickness_a",
    "defocus_a",
    "astigmatism_a",
    "tilt_mrad",
    "log10_dose",
    "rms_a",
)


def _depends_on(config) -> dict:
    """Fields that give the examples, as JSON knows them."""
    dataset, model = config.dataset, config.model
    fields = {
        "seed": config.seed,
        **{f"dataset.{name}": dataset[name] for name in _DATASET_FIELDS},
        "model.channels": model.channels,
        "model.image_size": model.image_size,
    }
    return json.loads(json.dumps(fields))


def require_same_examples(config, folder: str) -> None:
    """Refuses a set that was written for other examples.

    Raises:
      ConfigError: it names the first field that differs.
    """
    path = pathlib.Path(folder).expanduser() / "set.json"
    if not path.exists():
        raise ConfigError(
            f"config.dataset.stored={folder!r}: holds no set.json; write the set with "
            "--mode=simulate --workdir=FOLDER."
        )
    try:
        held = json.loads(path.read_text())
        _ = held["format"], {**held["config"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"config.dataset.stored={folder!r}: its set.json cannot be read ({error}); "
            "write the set again with --mode=simulate."
        ) from error
    if held["format"] != _FORMAT:
        raise ConfigError(
            f"config.dataset.stored={folder!r}: is of format {held['format']}, this "
            f"program reads {_FORMAT}; write another set."
        )
    said = held["config"]
    for name, value in _depends_on(config).items():
        held_value = said.get(name, "nothing")
        if held_value != value:
            raise ConfigError(
                f"config.dataset.stored={folder!r}: was written with {name}="
                f"{held_value!r}, this run has {value!r}; use that, or write another."
            )


def describe_set(config, folder: pathlib.Path, materials: dict) -> None:
    """Writes set.json into an existing folder, all of it or nothing."""
    described = {
        "format": _FORMAT,
        "config": _depends_on(config),
        "materials": materials,
        "units": {
            "patterns": "electrons per incident electron x pixels, [ky, kx, position]",
            "density": "V Å, [y, x]",
        },
    }
    write_whole(folder / "set.json", json.dumps(described, indent=1) + "\n")
