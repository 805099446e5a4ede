"""What has to survive: one repository per noun, on SQLite or PostgreSQL."""
