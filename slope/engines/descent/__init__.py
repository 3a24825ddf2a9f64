"""Descent in compiled code: what it descends on, its blocks of epochs, and the records that are made of them."""
