"""The plugin of the nightly backup: plain Python, no requirements."""

from setuptools import setup

setup(name="nightly-backup", version="1.0", packages=["nightly_backup"])
