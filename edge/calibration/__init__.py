"""How often background raises an alarm, and the threshold for a rate asked for."""
