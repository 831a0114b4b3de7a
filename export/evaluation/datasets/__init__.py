"""Data sets to judge by, in the layouts that they are downloaded in."""
