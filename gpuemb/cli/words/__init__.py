"""The commands that ask things of words."""
