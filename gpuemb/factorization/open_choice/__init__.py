"""What an objective leaves open of an embedding: families of tables that it cannot tell apart."""
