"""What lies on the disk: what may go, what is copied away, and what comes back."""
