"""Runs on more machines than one: Celery hands whole runs to workers, a queue for each kind of work.

Only an installation with `CLIPLY_BROKER_URL` comes here; everything else stays on one machine.
"""
