"""Measured images: files, their lattice and their columns; no network."""
