"""Webhooks: a workspace's own programs are told what happens, without asking."""
