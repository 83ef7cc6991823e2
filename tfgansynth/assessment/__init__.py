"""What a synthetic set is worth: quality, fidelity, memorization."""
