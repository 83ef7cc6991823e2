"""Importers of data sets as people have them, one module for each layout.

Reading order:

- `sources`: the files of a case, and the scan of a folder.
- `folder`, `jsrt`: the layouts.
- `canonical`: the description of a data set that `prepare` made.
- `images`: reads one image file from an untrusted source.
- `stored`: reads a file of more formats, for `prepare`.
- `worker`: decodes in a process of its own, which runs `decoding` or `full_decoding`.
- `volumes`: what `full_decoding` needs for medical formats.
"""
