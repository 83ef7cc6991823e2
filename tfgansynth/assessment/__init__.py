"""Whether a synthetic set is good: quality, fidelity and memorization.

Reading order:

- `quality`: plausible shapes, and agreement of masks with their images.
- `fidelity`: likeness of the distributions, next to the real reference.
- `neighbors`, `memorization`: distances to training cases, and the audit.
- `out_of_fold`: agreement with networks that know no copy.
"""
