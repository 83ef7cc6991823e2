"""Readers of data sets as people have them, one module a layout."""
