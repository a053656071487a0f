"""Accounts on platforms: connected, kept healthy, disconnected; and what posts to them begin with."""
