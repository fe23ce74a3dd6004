"""A file is the old one or the new one, whatever stops its writer."""

import pathlib

import pytest

from parallel.whole_file import write_whole


def test_it_is_written_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "state.json"
    write_whole(path, "first")
    write_whole(path, "second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_stopped_half_way_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    write_whole(path, "first")

    def write_a_part(self, text):
        with self.open("w") as file:
            file.write(text[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", write_a_part)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "second")
    assert path.read_text() == "first"


def test_names_that_differ_in_their_endings_alone_do_not_share_a_draft(
    tmp_path, monkeypatch
):
    drafts = set()
    monkeypatch.setattr(pathlib.Path, "write_text", lambda self, _: drafts.add(self))
    monkeypatch.setattr(pathlib.Path, "replace", lambda self, _: None)
    write_whole(tmp_path / "a.json", "")
    write_whole(tmp_path / "a.txt", "")
    assert len(drafts) == 2
