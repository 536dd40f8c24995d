"""Whether a study survives kills, a full disk, damaged files, company and a changed text."""
