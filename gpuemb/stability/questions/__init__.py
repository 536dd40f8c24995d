"""Questions that are asked of runs beside what they agree on: a folder or file each."""
