"""Records, predictions and pictures as files."""
