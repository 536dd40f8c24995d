"""Damaged files for every reader: each must be read to something valid, or refused in our own words."""
