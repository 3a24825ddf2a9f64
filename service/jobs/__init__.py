"""Jobs and sweeps: the decisions and the commits."""
