"""What `edge-listen doctor` checks, one module a group of checks."""
