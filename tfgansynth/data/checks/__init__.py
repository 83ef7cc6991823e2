"""Whether a data set can be used, and if not, why: by file, before any training.

Reading order:

- `examining`: finds the cases of a folder and reads them one by one.
- `report`: collects what is read and every fault of all of them, for `check-data`.
- `grouping`: puts equal faults together, and says why files have no partner.
"""
