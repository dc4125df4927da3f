"""What a gateway's vault keeps besides its circles: events, guests, deliveries."""
