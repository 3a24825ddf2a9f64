"""What a worker does besides training: for jobs of the dead, for bells that are lost, for webhooks."""
