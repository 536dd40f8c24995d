"""Products of tables, in parts and of as many digits as a measure needs."""
