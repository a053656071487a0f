"""Workspaces, their members, invitations and audit log."""
