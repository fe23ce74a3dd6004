"""What is wrong with a command line, in our words and one line."""

import difflib
import pathlib
import re
from collections.abc import Iterator, Sequence

from absl import flags
from ml_collections import ConfigDict


def in_one_line(error: Exception, argv: Sequence[str]) -> str:
    """What is wrong with the command line `argv`, and what was meant."""
    if isinstance(error, flags.UnrecognizedFlagError):
        return f"unknown flag --{error.flagname}{_flag_meant(error.flagname)}"
    text = str(error.args[0] if isinstance(error, KeyError) else error).strip()
    if "Traceback" in text or "Failed loading" in text:
        # The configuration's own error stands last.
        text = re.sub(r"^\w*Error: ", "", text.splitlines()[-1].strip())
        text = f"--config: {text}"
    return _unknown_field(text, argv) or _in_our_words(" ".join(text.split()))


def _flag_meant(given: str) -> str:
    """The flags, or fields of the configuration, whose names are nearest."""
    paths = [
        path
        for flag in flags.FLAGS
        if isinstance(config := flags.FLAGS[flag].value, ConfigDict)
        for path in _paths(flag, config)
    ]
    # --optimizer.learning_rate is as much a field as --learning_rate.
    for end in (given, given.split(".")[-1]):
        if meant := [path for path in paths if path.endswith(f".{end}")]:
            return f"; did you mean --{' or --'.join(meant)}?"
    by_name = {path.split(".")[-1]: path for path in paths}
    by_name |= {flag: flag for flag in flags.FLAGS}
    close = difflib.get_close_matches(given, by_name, 1)
    return f"; did you mean --{by_name[close[0]]}?" if close else ""


def _paths(name: str, value: object) -> Iterator[str]:
    """Dotted names of all fields of a configuration."""
    if not isinstance(value, ConfigDict):
        yield name
        return
    for field in value:
        yield from _paths(f"{name}.{field}", value[field])


def _unknown_field(text: str, argv: Sequence[str]) -> str | None:
    """Where on the command line the field stands that the configuration lacks."""
    # Its line end is escaped for a field, and there is none for a section.
    if found := re.search(r"(\w+)\W+n?Did you mean \W*(\w+)\W", text):
        hint = f"did you mean {found[2]!r}?"
    elif found := re.fullmatch(r"\W*(\w+)\W*", text):  # nothing was like it
        hint = "--dry_run prints all there are"
    else:
        return None
    field = found[1]
    for argument in argv:
        path = argument.lstrip("-").split("=")[0].split(".")
        if field in path[1:]:
            above = ".".join(path[: path.index(field, 1)])
            return f"{argument}: {above} has no field {field!r}; {hint}"
    return f"config has no field {field!r}; {hint}"


def _in_our_words(text: str) -> str:
    """Rewrites what libraries say of flags."""
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
