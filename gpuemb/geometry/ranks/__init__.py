"""Correlations of the entries of two cosine matrices, ranks among them."""
