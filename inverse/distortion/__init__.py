"""Distortions of perovskites from one image: networks, examples, scores, maps."""
