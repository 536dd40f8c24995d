"""The pages of comparisons: of tables, and of two groups of runs."""
