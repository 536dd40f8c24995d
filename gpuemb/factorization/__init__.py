"""Linear matrix factorization of users × items, and what its cosines mean.

A product of two factors does not change when an axis of one is multiplied by a number and the same axis of
the other divided by it; the cosines between the rows of one factor do. :func:`gpuemb.factorize` has the
solutions in closed form, :func:`gpuemb.ambiguity` measures how far the cosines of any embedding depend on
such a choice, :func:`gpuemb.remedies` compares what may be done about it. Definitions §6.
"""
