"""Starting over keeps what was there, and sees none of it."""

from parallel.verify import start_over


def test_what_a_run_left_is_moved_aside_and_nothing_is_deleted(tmp_path):
    for name in ("checkpoints/4/manifest.json", "metrics.jsonl", "fakes-000004.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "config.json").write_text("{}")
    for again in (1, 2):
        start_over(tmp_path)
        aside = tmp_path / f"before-{again}"
        if again == 1:
            assert (aside / "checkpoints/4/manifest.json").exists()
            assert (aside / "fakes-000004.png").read_text() == "fakes-000004.png"
            (tmp_path / "metrics.jsonl").write_text("second")
        assert (aside / "metrics.jsonl").exists()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"config.json", "before-1", "before-2"}
    start_over(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left
