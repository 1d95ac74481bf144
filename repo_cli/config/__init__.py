"""Configuration: schema without torch, one composition, a frozen file that every rank reads."""
