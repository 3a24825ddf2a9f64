"""How each database is reached, what its failures mean, and whose rows a statement sees."""
