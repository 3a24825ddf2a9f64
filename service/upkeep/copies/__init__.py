"""Copies of all that is kept: database and objects as one state. They are made, checked, and made a service again."""
