"""Stored objects by signed link, where the storage is a folder of ours; an object store serves its own links."""
