"""A local Bot API server and the chat page on top of it: the whole bot without a token, an account or a network."""
