"""Readers against generated hostile input: seeded, so that any failure comes again."""
