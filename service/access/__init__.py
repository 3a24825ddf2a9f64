"""Who may come in, and for what: keys, callers, and the rule that says which scope a call needs."""
