"""Remote sync: sends updates to the panel, in order for each server, also after an outage of any length."""
