"""Whether a synthetic set is good: quality, fidelity and memorization.

Reading order:

- `quality`: plausible shapes, and agreement of masks with their images.
- `fidelity`: likeness of the distributions, next to the real reference.
- `memorization`: the audit for copies of training cases; `search`: for altered ones;
  `planted`: copies by which the audit is measured.
- `membership`: whether a set gives away which cases its generator learned from.
"""
