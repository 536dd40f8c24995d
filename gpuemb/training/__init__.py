"""From counts to one table of vectors a seed."""
