"""The table shows what the protocols count, at the published sizes."""

from parallel.control_plane_table import compare, compare_all, table


def by_protocol(num_ranks, num_tensors):
    return {row.protocol: row for row in compare(num_ranks, num_tensors)}


def test_words_are_8_bytes_for_32_tensors_and_24_for_161():
    assert by_protocol(6, 32)["bitvector"].word_bytes == 8
    assert by_protocol(6, 161)["bitvector"].word_bytes == 24


def test_the_plan_says_nothing_and_only_the_coordinator_handles_every_record():
    for num_ranks in (6, 96):
        rows = by_protocol(num_ranks, 32)
        assert rows["static plan"].traffic.messages == 0
        assert rows["static plan"].traffic.num_bytes == 0
        assert rows["static plan"].traffic.seconds == 0
        assert rows["coordinator"].traffic.busiest_records == num_ranks * 32
        assert rows["tree"].traffic.busiest_records <= 9 * 32
        assert rows["bitvector"].traffic.busiest_records == 0


def test_the_coordinator_slows_with_ranks_and_the_bitvector_with_their_logarithm():
    few, many = by_protocol(96, 32), by_protocol(1_536, 32)

    def growth(protocol):
        return many[protocol].traffic.seconds / few[protocol].traffic.seconds

    assert growth("coordinator") > 8
    assert growth("bitvector") < 2


def test_the_table_has_a_line_for_each():
    rows = compare_all((6, 24), (32,))
    lines = table(rows).splitlines()
    assert len(lines) == 2 + 2 * 4 + 1
    for row, line in zip(rows, lines[2:-1], strict=True):
        assert line.split()[:2] == ["32", str(row.num_ranks)]
        assert f"{row.traffic.messages:,d}" in line
    assert "a record of 84 bytes, our layout" in lines[-1]
