"""A fault is named, with the remedy, and told by what is returned."""

from parallel import doctor


def test_a_healthy_machine_has_no_fault(capsys):
    assert doctor.examine() == []
    said = capsys.readouterr().out
    assert "launcher: none: one process" in said and "from 8 local devices" in said


def test_faults_are_named(monkeypatch, capsys):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    (fault,) = doctor.examine()
    assert "add --coordinator=HOST:PORT" in fault
    assert f"FAULT {fault}" in capsys.readouterr().out


def test_a_coordinator_without_an_address_is_a_fault(monkeypatch, capsys):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "no-such-host.invalid:5000")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    (fault,) = doctor.examine()
    assert "host no-such-host.invalid has no address here" in fault
