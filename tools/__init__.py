"""The parts of ./baton. Python's standard library only: what else they need they install, or say how (setup.py)."""
