"""Jobs, sweeps and what names them."""
