"""What a report draws: a drawing a question, each with its claim as title."""
