"""Where the figures of alerts come from: one file for each way of knowing them."""
