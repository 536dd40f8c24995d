"""Linear matrix factorization of users × items, and what its cosines mean.

A product of two factors does not change when an axis of one is multiplied by a number and the same axis of
the other divided by it; the cosines between the rows of one factor do. Definitions §6.
"""
