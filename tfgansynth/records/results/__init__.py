"""What comparisons and merged results are made of.

- `grouping`: which regimes stand in a table, and which of their pairs have no verdict.
- `gaps`: how much of the gap to the ceiling a regime closes.
- `remarks`: what may affect the results, of many U-Nets together.
- `merged`: the records of folds whose results are merged.
"""
