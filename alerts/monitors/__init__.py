"""What the desk notices by itself: monitors over the live figures, and whom they tell."""
