"""What compiled loops are told, and what they write, as plain numbers and columns. Free of numba."""
