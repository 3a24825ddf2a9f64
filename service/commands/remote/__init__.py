"""Commands that ask a service over HTTP. They need no part of the server: the base install has them."""
