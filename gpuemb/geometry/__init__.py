"""How alike two tables are, as shapes in space."""
