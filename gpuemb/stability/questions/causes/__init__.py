"""How much of the variance between runs is due to what."""
