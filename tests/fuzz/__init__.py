"""Readers against generated hostile input, seeded so that failures are reproducible."""
