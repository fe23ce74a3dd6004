"""4D-STEM scans: their geometry, files and simulation; no network."""
