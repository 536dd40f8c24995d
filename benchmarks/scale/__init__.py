"""What comparisons and studies cost as words, runs, dimensions and neighbors grow."""
