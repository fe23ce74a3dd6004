"""A fault is named, with the remedy, and told by what is returned."""

import socket

from parallel import doctor


def test_a_healthy_machine_has_no_fault(capsys):
    assert doctor.examine() == []
    said = capsys.readouterr().out
    assert "launcher: none: one process" in said and "from 8 local devices" in said


def test_faults_are_named(monkeypatch, capsys):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    faults = doctor.examine()
    said = capsys.readouterr().out
    assert "add --coordinator=HOST:PORT" in faults[0]
    for fault in faults:
        assert f"FAULT {fault}" in said
    # What needs no other process is told all the same.
    assert "jax: " in said and "GiB free on disk" in said
    assert "joined: not tried" in said


def test_a_coordinator_without_an_address_is_a_fault(monkeypatch, capsys):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "no-such-host.invalid:5000")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    (fault,) = doctor.examine()
    assert "host no-such-host.invalid has no address here" in fault


def test_a_coordinator_that_nobody_answers_at_is_a_fault(monkeypatch, capsys):
    """Another process of the job is not there: said, with the rest, in a minute."""
    monkeypatch.setattr(doctor, "_JOIN_SECONDS", 1)
    (fault,) = doctor.examine("localhost:1", 2, 1)
    assert "process 0 did not report to localhost:1" in fault
    said = capsys.readouterr().out
    assert "launcher: process 1 of 2 by hand" in said
    assert "from 8 local devices" in said


def test_a_port_that_is_taken_is_a_fault(monkeypatch):
    monkeypatch.setattr(doctor, "_JOIN_SECONDS", 1)
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        (fault,) = doctor.examine(f"localhost:{port}", 2, 0)
    assert f"cannot listen on port {port}" in fault
