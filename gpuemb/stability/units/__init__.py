"""The units of work of a study: reading, counting, training, searching, comparing."""
