"""Metrics on held-out cases and the paper's tables."""
