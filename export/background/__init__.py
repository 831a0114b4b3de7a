"""A bundle's background: what false alarms are counted in when its thresholds are set."""
