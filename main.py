"""The one door: python main.py --config=configs/cifar100.py --workdir=runs/c100."""

import signal
import sys
import time

from absl import app, flags, logging
from ml_collections import config_flags

from gan import describe as gan_describe
from gan import inference as gan_inference
from gan import train as gan_train
from gan.errors import ConfigError
from input_pipeline.errors import DataError, DataFieldError
from inverse import describe as inverse_describe
from inverse import inference as inverse_inference
from inverse import train as inverse_train
from inverse.density.predict import predict as predict_density
from inverse.density.write_set import write_set
from inverse.distortion.predict import predict as predict_distortions
from inverse.errors import ConfigError as InverseConfigError
from inverse.scan import simulate as inverse_simulate
from inverse.simulator.errors import SimulatorError
from parallel import compilation_cache, doctor, mesh, run_log
from parallel.errors import RunError
from parallel.exit_codes import ERROR, INTERRUPTED, USAGE
from parallel.fault_injection import parse_faults
from parallel.last_words import LastWords, exchange_last_words
from parallel.preemption import Stopped
from parallel.survival import Survival, leave, leave_together
from parallel.time_report import print_report
from parallel.usage_errors import in_one_line
from parallel.verify import verify_workdir

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "File of an experiment, e.g. configs/mnist.py:tuned.",
    lock_config=True,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of everything a run leaves.")
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    [
        *("train", "evaluate", "sample", "predict", "simulate"),
        *("plan", "verify", "report", "doctor"),
    ],
    "What to do.",
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be done, and stop.")
_LABELS = flags.DEFINE_string(
    "labels", "mixture", "Labels to sample: 3,5, all, or mixture (as in the data)."
)
_NUM = flags.DEFINE_integer(
    "num", 64, "Images to sample: of each label; of a mixture in all.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Of the sampling: another one, other images.",
    lower_bound=0,
    upper_bound=(1 << 32) - 1,
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "best", ["best", "latest"], "Which one to evaluate or sample."
)
_INPUT = flags.DEFINE_string(
    "input", None, "With --mode=predict: the file, or several joined by commas."
)
_DEVICES = flags.DEFINE_integer(
    "devices",
    None,
    "With --mode=plan or --dry_run: describe a run on that many.",
    lower_bound=1,
)
_FRESH = flags.DEFINE_bool(
    "fresh", False, "Move old checkpoints away and start over, once a batch job."
)
_TIME_LIMIT = flags.DEFINE_float(
    "time_limit", None, "Minutes after which to save and exit with 75.", lower_bound=0
)
_STUCK_AFTER = flags.DEFINE_float(
    "stuck_after", 600, "Seconds in one step that mean it is stuck; 0: no limit."
)
_INJECT = flags.DEFINE_string(
    "inject",
    "",
    "Faults on order, e.g. kill@7,nan@5:label=3; see parallel/fault_injection.py.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where the launcher does not tell."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Of the job, see above.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Of this process, from 0.")
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")


_STARTED = time.monotonic()  # a batch system counts from about here

# What needs no configuration.
_WITHOUT_CONFIG = ("verify", "report", "doctor")
_USAGE_ERRORS = (ConfigError, DataFieldError, InverseConfigError, SimulatorError)


def _survival() -> Survival:
    minutes = _TIME_LIMIT.value
    try:
        faults = parse_faults(_INJECT.value)
    except ValueError as error:
        raise ConfigError(f"--inject: {error}.") from error
    return Survival(
        fresh=_FRESH.value,
        stop_at=None if minutes is None else _STARTED + minutes * 60,
        stuck_after=_STUCK_AFTER.value,
        faults=faults,
    )


def _by_hand() -> tuple[str | None, int | None, int | None]:
    return _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value


def _look_at_what_there_is() -> int:
    if _WORKDIR.value is None:
        raise ConfigError(f"--workdir is missing: name the one to {_MODE.value}.")
    if _MODE.value == "report":
        print_report(_WORKDIR.value)
        return 0
    return 0 if verify_workdir(_WORKDIR.value) else ERROR


def _run() -> None:
    config = _CONFIG.value
    workloads = {
        "gan": _run_gan,
        "inverse": _run_inverse,
        "simulate": _run_simulate,
    }
    if config.workload not in workloads:
        raise ConfigError(
            f"config.workload={config.workload!r}: choose {', '.join(workloads)}."
        )
    if _DRY_RUN.value and _MODE.value in ("evaluate", "sample", "predict"):
        raise ConfigError(
            f"--dry_run: describes a training; with --mode={_MODE.value} leave it out."
        )
    workloads[config.workload](config)


def _run_gan(config) -> None:
    if _DRY_RUN.value:
        gan_describe.describe(config, _DEVICES.value)
    elif _WORKDIR.value is None:
        raise ConfigError("--workdir is missing: name a directory for the run.")
    elif _MODE.value == "train":
        gan_train.train_and_evaluate(config, _WORKDIR.value, _survival())
    elif _MODE.value == "evaluate":
        gan_inference.evaluate(config, _WORKDIR.value, _CHECKPOINT.value)
    elif _MODE.value == "plan":
        raise ConfigError(
            "--mode=plan: pairs of different labels exchange nothing, so there is "
            "nothing to plan; see --dry_run."
        )
    elif _MODE.value in ("predict", "simulate"):
        raise ConfigError(
            f"--mode={_MODE.value}: this workload cannot do that; choose train, "
            "evaluate or sample."
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
        inverse_train.train_and_evaluate(config, _WORKDIR.value, _survival())
    elif _MODE.value == "evaluate":
        inverse_inference.evaluate(config, _WORKDIR.value, _CHECKPOINT.value)
    elif _MODE.value == "simulate":
        if config.task == "distortion":
            raise InverseConfigError(
                "--mode=simulate: training keeps the crystals that it simulates; "
                "see config.dataset.library."
            )
        write_set(config, _WORKDIR.value)
    elif _MODE.value == "predict":
        if _INPUT.value is None:
            raise InverseConfigError("--input is missing: name the file to read.")
        predict = {"density": predict_density, "distortion": predict_distortions}
        predict[config.task](config, _WORKDIR.value, _CHECKPOINT.value, _INPUT.value)
    else:
        raise InverseConfigError(
            f"--mode={_MODE.value}: this workload cannot do that; choose train, "
            "evaluate, predict, simulate or plan."
        )


def _run_simulate(config) -> None:
    if _MODE.value != "simulate":
        raise InverseConfigError(
            f"--mode={_MODE.value}: this configuration is not trained; use "
            "--mode=simulate."
        )
    if _DRY_RUN.value:
        inverse_simulate.describe(config)
    elif _WORKDIR.value is None:
        raise InverseConfigError("--workdir is missing: name a directory for the run.")
    else:
        inverse_simulate.simulate(config, _WORKDIR.value)


def main(argv: list[str]) -> int:
    """Runs what the flags say; returns the exit code."""
    logging.set_verbosity(logging.ERROR)
    if len(argv) > 1:
        print(f"error: unexpected arguments: {' '.join(argv[1:])}", file=sys.stderr)
        return 2
    words = LastWords()
    # A script's shell starts what runs beside it deaf to Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _MODE.value == "doctor":  # looks before it joins the others
            return leave(ERROR if doctor.examine(*_by_hand()) else 0)
        launch = mesh.initialize(*_by_hand())
        run_log.start()
        if launch is not None:
            run_log.log.info("started as %s", launch.told())
        if _MODE.value in _WITHOUT_CONFIG:
            return _look_at_what_there_is()
        words = exchange_last_words(_WORKDIR.value)
        compilation_cache.start(_CONFIG.value.parallel.compilation_cache_dir)
        _run()
    except Stopped as stopped:
        print(f"\nstopped: {stopped}", file=sys.stderr)
        return stopped.exit_code
    except (*_USAGE_ERRORS, DataError, RunError) as error:
        if _TRACEBACK.value:
            raise
        print(f"error: {error}", file=sys.stderr)
        usage = isinstance(error, _USAGE_ERRORS)
        code = USAGE if usage else getattr(error, "exit_code", ERROR)
        return leave(code, str(error), words)
    except OSError as error:  # a full or read-only disk
        if _TRACEBACK.value:
            raise
        where = f": {error.filename}" if error.filename else ""
        line = f"{error.strerror or error}{where}"
        print(f"error: {line}", file=sys.stderr)
        return leave(1, line, words)
    except KeyboardInterrupt:
        print(
            "\nstopped: the same command goes on from the last checkpoint, if any.",
            file=sys.stderr,
        )
        return leave(INTERRUPTED)
    # What jax raises when another process is gone, and anything unforeseen: a process
    # that unwinds would wait for its peers at exit, and they for it.
    except Exception as error:
        if _TRACEBACK.value or not leave_together(error, words):
            raise
    return 0


def _parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; anything wrong with it is one line and exit code 2."""
    try:
        remaining = flags.FLAGS(argv)
        if _MODE.value in _WITHOUT_CONFIG:
            return remaining
        if _CONFIG.value is None:
            raise flags.Error("--config is missing, e.g. --config=configs/digits.py")
        # A file that could not be read raises only when it is first looked at.
        _ = _CONFIG.value.workload
        return remaining
    except (flags.Error, ValueError, TypeError, AttributeError, KeyError, OSError) as e:
        print(f"error: {in_one_line(e, argv)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=_parse_flags)
