"""What people and their programs reach: one address on loopback, with the champion behind it."""
