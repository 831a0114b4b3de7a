"""edge-listen as a systemd service: what is put where, and how it is taken off again."""
