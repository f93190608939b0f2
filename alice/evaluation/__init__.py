"""Audits, videos and scripted behaviours."""
