"""Reads the records of a run: its results, trainings, and what to remark on them."""
