"""Products of tables, summed in parts and to the digits that measures need."""
