"""The web pages: HTML without scripts, one handler a page."""
