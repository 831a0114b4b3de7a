"""LAION-CLAP: from a published checkpoint to a bundle."""
