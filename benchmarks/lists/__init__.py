"""Compare neighbor lists of many awkward tables with their definition, bit for bit."""
