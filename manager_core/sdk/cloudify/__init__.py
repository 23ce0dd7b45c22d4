"""What plugins and workflows import. ``from cloudify import ctx`` gives the context of the running operation."""

from __future__ import annotations

from cloudify.state import ctx


class _BrokerConfig:
    """Kept for plugins that look at it; this runtime has no message broker."""

    broker_hostname = ["localhost"]
    broker_username = "guest"
    broker_password = "guest"
    broker_vhost = "/"
    broker_ssl_enabled = False
    broker_cert_path = ""
    broker_heartbeat = None
    broker_port = 5672


broker_config = _BrokerConfig()

__all__ = ["broker_config", "ctx"]
