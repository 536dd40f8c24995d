"""Two groups of runs against each other, beyond the differences within each."""
