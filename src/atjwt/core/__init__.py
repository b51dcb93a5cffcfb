"""The eight stations of the route, in its order: bearer, token, profile, jwks, verify, principal,
policy, challenge.

The rule of this folder: values in, values or exceptions out. Nothing here reads a clock, a socket,
the environment or a random number; `now` is an argument. `tests/test_layers.py` holds it to that.
"""
