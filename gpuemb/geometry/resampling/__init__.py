"""Permutations and bootstrap over words."""
