"""Small result files for tests of tables."""

import json

SOURCE = {
    **{"device": "1 x toy", "processor": "1 core", "python": "3", "jax": "0"},
    **{"flax": "0", "date": "2026-01-02", "command": "python -m toy"},
}


def write_small(directory, name, content):
    """Writes `content` as the result file `name`, with where it would come from."""
    (directory / f"{name}.json").write_text(json.dumps({**SOURCE, **content}))
