"""Density from diffraction patterns: network, examples, scores, prediction."""
