"""One file for each of `edge-export`'s commands."""
