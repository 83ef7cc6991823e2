"""The built-in data set: procedural chest radiographs with lung masks.

Reading order:

- `anatomy`: samples a patient.
- `film`: maps mm to pixels and draws shapes.
- `tissue`, `bones`: what attenuates the beam.
- `phantom`: exposes the film; `make_phantoms` makes the set.
"""
