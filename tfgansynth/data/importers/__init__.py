"""Importers of data sets as people have them, one module for each layout.

Reading order:

- `sources`: the files of a case, and the scan of a folder.
- `folder`, `jsrt`: the layouts.
- `images`: reads one image file from an untrusted source.
- `worker`, `decoding`: decode it in a process of its own.
"""
