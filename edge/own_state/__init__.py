"""Requests on what a person added: done by the edge-listen that runs, or here."""
