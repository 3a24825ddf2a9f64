"""The statistics of jobs that have ended: of the exact solution on the rows that they trained on."""
