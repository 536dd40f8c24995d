"""What a study keeps beside its units of work: the text it could not read again, and its tables."""
