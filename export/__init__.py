"""The workstation side: makes the bundles that `edge` runs, and measures them."""
