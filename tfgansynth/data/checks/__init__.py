"""Whether a data set can be used, and if not, why: by file, before any training.

Reading order:

- `examining`: finds the cases of a folder and reads them one by one.
- `report`: collects every fault of all of them, for `check-data`.
"""
