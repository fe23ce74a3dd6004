"""The one door: python main.py --config=configs/cifar100.py --workdir=runs/c100."""

import difflib
import pathlib
import re
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from gan import describe as gan_describe
from gan import inference as gan_inference
from gan import train as gan_train
from gan.errors import ConfigError
from input_pipeline.errors import DataError
from inverse import describe as inverse_describe
from inverse import inference as inverse_inference
from inverse import train as inverse_train
from inverse.errors import ConfigError as InverseConfigError
from inverse.simulator.errors import SimulatorError
from parallel import mesh, run_log
from parallel.errors import RunError

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "File of an experiment, e.g. configs/mnist.py:tuned.",
    lock_config=True,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of everything a run leaves.")
_MODE = flags.DEFINE_enum(
    "mode", "train", ["train", "evaluate", "sample", "plan"], "What to do."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be done, and stop.")
_LABELS = flags.DEFINE_string(
    "labels", "mixture", "Labels to sample: 3,5 or mixture (the data's proportions)."
)
_NUM = flags.DEFINE_integer(
    "num", 64, "Images to sample: of each label; of a mixture in all.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the sampling: another one, other images.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "best", ["best", "latest"], "Which one to evaluate or sample."
)
_DEVICES = flags.DEFINE_integer(
    "devices", None, "With --mode=plan: also predict a run on that many.", lower_bound=1
)
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")


def _run() -> None:
    config = _CONFIG.value
    workloads = {"gan": _run_gan, "inverse": _run_inverse}
    if config.workload not in workloads:
        raise ConfigError(
            f"config.workload={config.workload!r}: choose {', '.join(workloads)}."
        )
    workloads[config.workload](config)


def _run_gan(config) -> None:
    if _DRY_RUN.value:
        gan_describe.describe(config)
    elif _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: name a directory for the run.")
    elif _MODE.value == "train":
        gan_train.train_and_evaluate(config, _WORKDIR.value)
    elif _MODE.value == "evaluate":
        gan_inference.evaluate(config, _WORKDIR.value, _CHECKPOINT.value)
    elif _MODE.value == "plan":
        raise ConfigError(
            "--mode=plan: pairs of different labels exchange nothing, so there is "
            "nothing to plan; see --dry_run."
        )
    else:
        gan_inference.sample(
            config,
            _WORKDIR.value,
            _CHECKPOINT.value,
            _LABELS.value,
            _NUM.value,
            _SEED.value,
        )


def _run_inverse(config) -> None:
    if _DRY_RUN.value:
        inverse_describe.describe(config, _DEVICES.value)
    elif _MODE.value == "plan":
        inverse_describe.describe_plan(config, _DEVICES.value)
    elif _WORKDIR.value is None:
        raise InverseConfigError("--workdir is missing: name a directory for the run.")
    elif _MODE.value == "train":
        inverse_train.train_and_evaluate(config, _WORKDIR.value)
    elif _MODE.value == "evaluate":
        inverse_inference.evaluate(config, _WORKDIR.value, _CHECKPOINT.value)
    else:
        raise InverseConfigError(
            f"--mode={_MODE.value}: this workload cannot do that; choose train, "
            "evaluate or plan."
        )


def main(argv: list[str]) -> int:
    """Runs what the flags say; returns the exit code."""
    logging.set_verbosity(logging.ERROR)
    if len(argv) > 1:
        print(f"error: unexpected arguments: {' '.join(argv[1:])}", file=sys.stderr)
        return 2
    try:
        mesh.initialize()
        run_log.start()
        _run()
    except (
        *(ConfigError, InverseConfigError, DataError, RunError, SimulatorError),
    ) as error:
        if _TRACEBACK.value:
            raise
        print(f"error: {error}", file=sys.stderr)
        is_usage = isinstance(error, ConfigError | InverseConfigError | SimulatorError)
        return 2 if is_usage else 1
    except OSError as error:  # a full or read-only disk
        if _TRACEBACK.value:
            raise
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nstopped: the same command goes on from the last checkpoint.",
            file=sys.stderr,
        )
        return 130
    return 0


def _in_one_line(error: Exception) -> str:
    """What is wrong with the command line, and what was meant."""
    if isinstance(error, flags.UnrecognizedFlagError):
        close = difflib.get_close_matches(error.flagname, list(flags.FLAGS), 1)
        hint = f"; did you mean --{close[0]}?" if close else ""
        return f"unknown flag --{error.flagname}{hint}"
    text = str(error.args[0] if isinstance(error, KeyError) else error).strip()
    if "Traceback" in text or "Failed loading" in text:
        # The configuration's own error stands last.
        text = re.sub(r"^\w*Error: ", "", text.splitlines()[-1].strip())
        text = f"--config: {text}"
    return _in_our_words(" ".join(text.split()))


def _in_our_words(text: str) -> str:
    """Rewrites what libraries say of flags."""
    if found := re.search(r"(\w+)\W+nDid you mean \W*(\w+)\W", text):
        return f"config has no field {found[1]!r}; did you mean {found[2]!r}?"
    if found := re.search(r"Found (--config\.\S+) in argv before", text):
        return f"{found[1]}: --config=FILE must come before it"
    text = re.sub(r"invalid literal for \w+\(\).*", "must be a whole number", text)
    text = re.sub(r"could not convert string to float.*", "must be a number", text)
    text = re.sub(r"\('Non-boolean argument.*", "must be True or False", text)
    text = text.removeprefix("flag ")
    return f"{text}{_meant(text)}"


def _meant(text: str) -> str:
    """What was meant, where an error of another's lists or implies the choices."""
    choices, given = [], None
    if found := re.search(r"unknown variant '(\w*)'; choose one of ([\w, ]+)", text):
        given, choices = found[1], found[2].split(", ")
    elif found := re.search(r"=(\w*): value should be one of <([\w|]+)>", text):
        given, choices = found[1], found[2].split("|")
    elif found := re.search(r"No such file or directory: '([^']+)'", text):
        given = found[1]
        choices = [str(p) for p in pathlib.Path(given).parent.glob("[a-z]*.py")]
    close = difflib.get_close_matches(given, choices, 1) if given else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; anything wrong with it is one line and exit code 2."""
    try:
        remaining = flags.FLAGS(argv)
        if _CONFIG.value is None:
            raise flags.Error("--config is missing, e.g. --config=configs/digits.py")
        # A file that could not be read raises only when it is first looked at.
        _ = _CONFIG.value.workload
        return remaining
    except (flags.Error, ValueError, TypeError, AttributeError, KeyError, OSError) as e:
        print(f"error: {_in_one_line(e)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=_parse_flags)
