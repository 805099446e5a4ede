"""How what fired reaches people: what belongs in one message, how loud it is, when it leaves, and the account of it."""
