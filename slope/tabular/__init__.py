"""Tables as people have them, to columns of float64 that can be trained on. Free of torch; Arrow reads the formats."""
