import os

from input_pipeline.location import fingerprint_of


def _file(path, content, time=1):
    path.write_bytes(content)
    os.utime(path, (time, time))
    return path


def test_a_fingerprint_tells_names_sizes_and_dates_apart(tmp_path):
    sets = [
        [_file(tmp_path / "a", b"12")],
        [_file(tmp_path / "b", b"12")],
        [_file(tmp_path / "a", b"12"), _file(tmp_path / "b", b"12")],
        [],
    ]
    found = {fingerprint_of(paths) for paths in sets}
    found.add(fingerprint_of([_file(tmp_path / "a", b"123")]))
    found.add(fingerprint_of([_file(tmp_path / "a", b"12", time=2)]))
    assert len(found) == 6


def test_a_fingerprint_stays_while_nothing_changes(tmp_path):
    paths = [_file(tmp_path / "a", b"12")]
    assert fingerprint_of(paths) == fingerprint_of(paths)
