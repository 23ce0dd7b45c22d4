"""A REST client for a manager with several addresses."""

from __future__ import annotations

from typing import Any

from cloudify_rest_client.client import CloudifyClient, HTTPClient


class ClusterHTTPClient(HTTPClient):
    """Asks the first host that answers, and begins with it the next time."""

    def __init__(self, host: str | list[str], *args: Any, **kwargs: Any) -> None:
        self.hosts = [host] if isinstance(host, str) else list(host)
        super().__init__(self.hosts[0], *args, **kwargs)

    def do_request(self, method: str, uri: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Send a request as `HTTPClient.do_request` does, to the next host when one cannot be reached.

        Raises:
            ConnectionError: none can be.
        """
        start = data.tell() if hasattr(data, "tell") else None
        for index, host in enumerate(self.hosts):
            self.host = host
            if start is not None and index:
                data.seek(start)
            try:
                answer = super().do_request(method, uri, data, *args, **kwargs)
            except OSError as error:
                self.logger.warning("%s is not reached: %s", host, error)
                if index == len(self.hosts) - 1:
                    raise
                continue
            self.hosts = [*self.hosts[index:], *self.hosts[:index]]
            return answer
        raise ConnectionError("there is no host to ask")


class CloudifyClusterClient(CloudifyClient):
    """`CloudifyClient` whose host may be a list of hosts."""

    client_class = ClusterHTTPClient
