"""Translation of words across two tables: maps, pairs of words, searches, precision."""
