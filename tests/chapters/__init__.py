"""What belongs to one chapter each."""
