"""Processes, devices, reductions, checkpoints: everything that crosses devices."""
