"""Inverse problems of electron microscopy."""
