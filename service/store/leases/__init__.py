"""Who may write, for a while: what is claimed, what is held, and what is taken from the lost."""
