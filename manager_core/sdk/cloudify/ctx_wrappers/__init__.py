"""What plugins copy to other hosts, so that Python scripts there can write ``from cloudify import ctx``."""
