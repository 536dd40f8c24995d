"""Similarity of two or more tables over the same words, as shapes in space.

``.docs/pages/conventions.md`` in the repository says what other programs mean by the same names, which digits
a value keeps, and which measures have an interval.
"""
