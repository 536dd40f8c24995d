"""How sure a number is: intervals, permutations, resamples."""
