"""Experiments: one file each, one variant per row of a table."""
