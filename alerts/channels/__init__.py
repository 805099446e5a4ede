"""Ways out beside Telegram, one file each: Discord, a webhook, email, SMS, X."""
