"""Accounts: signing up, in and out, passwords, e-mail addresses, and the mails that go with it."""
