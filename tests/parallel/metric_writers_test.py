import json

import numpy as np
import pytest
from PIL import Image
from tensorboardX import record_writer
from tensorboardX.proto.event_pb2 import Event

from parallel.metric_writers import MetricWriter, save_png, tile


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(workdir, steps, resume_step):
    writer = MetricWriter(workdir, enabled=True, resume_step=resume_step)
    for step in steps:
        writer.scalars(step, {"loss": 1 / step, "labels_bad": [step]})
        if step % 2 == 0:
            writer.scores(step, {"seed": 0, "fid": float(step)})
    writer.close()


def events(workdir):
    """Reads event files by their framing: length, its CRC, the event, its CRC."""
    found = []
    for path in sorted((workdir / "events").iterdir()):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + size]))
            crc = int.from_bytes(data[12 + size : 16 + size], "little")
            assert crc == record_writer.masked_crc32c(data[12 : 12 + size])
            data = data[16 + size :]
    return found


def test_every_call_is_one_line(tmp_path):
    write(tmp_path, [1, 2], resume_step=0)
    assert lines(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 1.0, "labels_bad": [1]},
        {"step": 2, "loss": 0.5, "labels_bad": [2]},
    ]
    assert lines(tmp_path / "eval.jsonl") == [{"step": 2, "seed": 0, "fid": 2.0}]


def test_lines_are_on_disk_when_the_call_returns(tmp_path):
    writer = MetricWriter(tmp_path, enabled=True, resume_step=0)
    writer.scalars(1, {"loss": 2.0})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 2.0}\n'
    writer.close()


def test_a_resumed_run_ends_with_the_files_of_an_uninterrupted_one(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir(), resumed.mkdir()
    write(whole, range(1, 9), resume_step=0)
    write(resumed, range(1, 7), resume_step=0)
    with (resumed / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')  # killed in the middle of a line
    write(resumed, range(5, 9), resume_step=4)
    for name in ("metrics.jsonl", "eval.jsonl"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_a_step_has_its_scores_when_the_run_itself_has_written_them_whole(tmp_path):
    write(tmp_path, [2, 4], resume_step=0)
    with (tmp_path / "eval.jsonl").open("a") as file:
        file.write(
            '{"step": 6, "checkpoint": "latest", "fid": 1.0}\n[8]\n{"step": 8, "f'
        )
    writer = MetricWriter(tmp_path, enabled=True, resume_step=None)
    found = [step for step in range(9) if writer.has_scores(step)]
    writer.close()
    assert found == [2, 4]
    (tmp_path / "nothing").mkdir()
    writer = MetricWriter(tmp_path / "nothing", enabled=True, resume_step=0)
    assert not writer.has_scores(2)
    writer.close()


def test_an_evaluation_adds_to_what_is_there(tmp_path):
    write(tmp_path, [2, 4], resume_step=0)
    writer = MetricWriter(tmp_path, enabled=True, resume_step=None)
    writer.scores(2, {"fid": 7.0})
    writer.close()
    assert [line["step"] for line in lines(tmp_path / "eval.jsonl")] == [2, 4, 2]
    assert len(lines(tmp_path / "metrics.jsonl")) == 2


def test_what_is_not_finite_is_null_for_every_reader_of_json(tmp_path):
    writer = MetricWriter(tmp_path, enabled=True, resume_step=0)
    writer.scalars(1, {"worst": float("nan"), "best": -float("inf"), "median": 1.5})
    writer.close()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 1, "worst": null, "best": null, "median": 1.5}\n'


def test_tensorboard_gets_the_floats(tmp_path):
    write(tmp_path, [1, 2], resume_step=0)
    found = {
        (event.step, value.tag): value.simple_value
        for event in events(tmp_path)
        for value in event.summary.value
    }
    assert found == {(1, "loss"): 1.0, (2, "loss"): 0.5, (2, "fid"): 2.0}


def test_tensorboard_is_told_from_where_a_resumed_run_replaces_the_curve(tmp_path):
    write(tmp_path, [1, 2, 3], resume_step=0)
    write(tmp_path, [3], resume_step=2)
    restarts = [e.step for e in events(tmp_path) if e.session_log.status == 1]
    assert restarts[-1] == 3


def test_other_processes_write_nothing(tmp_path):
    writer = MetricWriter(tmp_path, enabled=False, resume_step=0)
    writer.scalars(1, {"loss": 1.0})
    writer.scores(1, {"fid": 1.0})
    writer.image_grid("fakes-000001", np.zeros((1, 1, 4, 4, 1), np.uint8))
    writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_of_a_grid_is_found_in_the_png_where_it_belongs(tmp_path, channels):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 4, 5, 7, channels), np.uint8)
    writer = MetricWriter(tmp_path, enabled=True, resume_step=0)
    path = writer.image_grid("fakes-000500", images)
    writer.close()
    assert path == tmp_path / "fakes-000500.png"
    png = np.asarray(Image.open(path)).reshape(3 * 7 + 2, 4 * 9 + 2, channels)
    outside = np.ones(png.shape, bool)
    for row in range(3):
        for column in range(4):
            y, x = 2 + 7 * row, 2 + 9 * column
            place = np.s_[y : y + 5, x : x + 7]
            np.testing.assert_array_equal(png[place], images[row, column])
            outside[place] = False
    assert (png[outside] == 127).all()


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(path, tile(np.zeros((1, 1, 4, 4, 1), np.uint8)))
    before = path.read_bytes()

    def half(self, target):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_png(path, tile(np.ones((1, 1, 4, 4, 1), np.uint8)))
    assert path.read_bytes() == before
