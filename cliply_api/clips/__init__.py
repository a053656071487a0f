"""Clips: listed, judged, edited, talked about and downloaded."""
