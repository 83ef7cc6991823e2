"""Whether a synthetic set is good: quality, fidelity and memorization.

Reading order:

- `quality`: plausible shapes, and agreement of masks with their images.
- `fidelity`: likeness of the distributions, next to the real reference.
- `neighbors`, `memorization`: distances to training cases, and the audit.
- `record`: all figures of a set as one record.
"""
