"""Multislice simulation of scanning transmission electron microscopy.

Lengths are in A, energies in eV, angles in mrad at every door and in radians inside;
images are [y, x]. Pure functions of arrays: nothing here knows a configuration, a
network or a device.
"""
