"""One file for each of `edge-eval`'s commands."""
