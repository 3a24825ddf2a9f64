"""What the service answers, as types: made from rows there, from JSON by the clients. Free of NumPy and torch."""
