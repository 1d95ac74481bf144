"""The built-in world: an online travel agency's assistant asks a hotel for a lower rate on a few nights."""
