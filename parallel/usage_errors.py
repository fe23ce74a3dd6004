"""What is wrong with a command line, in our words and one line."""

import difflib
import pathlib
import re

from absl import flags


def in_one_line(error: Exception) -> str:
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
    # Its line end is escaped for a field, and there is none for a section.
    if found := re.search(r"(\w+)\W+n?Did you mean \W*(\w+)\W", text):
        return f"config has no field {found[1]!r}; did you mean {found[2]!r}?"
    if found := re.fullmatch(r"\W*(\w+)\W*", text):  # nothing was like it
        return f"config has no field {found[1]!r}; --dry_run prints all there are"
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
