"""The HTTP client and the `CloudifyClient` that bundles the resources of the API."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from cloudify_rest_client import exceptions, resources

DEFAULT_PORT = 80
SECURED_PORT = 443
SECURED_PROTOCOL = "https"
DEFAULT_PROTOCOL = "http"
DEFAULT_API_VERSION = "v3.1"
DEFAULT_TIMEOUT = 300


class StreamedResponse:
    """An answer that is read in pieces."""

    def __init__(self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self._response = response
        self._connection = connection
        self.headers = dict(response.headers)

    def bytes_stream(self, chunk_size: int = 8192) -> Iterator[bytes]:
        """Give the body in pieces."""
        try:
            while piece := self._response.read(chunk_size):
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


class HTTPClient:
    """Sends requests to the API and turns refusals into exceptions."""

    def __init__(
        self,
        host: str,
        port: int | None = DEFAULT_PORT,
        protocol: str = DEFAULT_PROTOCOL,
        api_version: str = DEFAULT_API_VERSION,
        headers: dict[str, str] | None = None,
        query_params: dict[str, Any] | None = None,
        cert: str | None = None,
        trust_all: bool = False,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        tenant: str | None = None,
        kerberos_env: Any = None,
        timeout: float | None = None,
        session: Any = None,
    ) -> None:
        self.host = host
        self.protocol = protocol
        self.port = port or (SECURED_PORT if protocol == SECURED_PROTOCOL else DEFAULT_PORT)
        self.api_version = api_version
        self.headers = dict(headers or {})
        self.headers.setdefault("Content-type", "application/json")
        self.query_params = dict(query_params or {})
        self.cert = cert
        self.trust_all = trust_all
        self.default_timeout_sec = timeout or DEFAULT_TIMEOUT
        self.logger = logging.getLogger("cloudify.rest_client.http")
        if username and password:
            credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
            self.headers.setdefault("Authorization", f"Basic {credentials}")
        if token:
            self.headers.setdefault("Authentication-Token", token)
        if tenant:
            self.headers.setdefault("Tenant", tenant)

    @property
    def base_url(self) -> str:
        """The address without the API's version."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}/api"

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"{self.base_url}/{self.api_version}"

    @property
    def tenant_name(self) -> str | None:
        """The tenant requests are made in."""
        return self.headers.get("Tenant")

    def get(self, uri: str, data: Any = None, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a GET request and return the answer's JSON."""
        return self.do_request("GET", uri, data, params, headers, **options)

    def put(self, uri: str, data: Any = None, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a PUT request and return the answer's JSON."""
        return self.do_request("PUT", uri, data, params, headers, **options)

    def patch(self, uri: str, data: Any = None, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a PATCH request and return the answer's JSON."""
        return self.do_request("PATCH", uri, data, params, headers, **options)

    def post(self, uri: str, data: Any = None, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a POST request and return the answer's JSON."""
        return self.do_request("POST", uri, data, params, headers, **options)

    def delete(self, uri: str, data: Any = None, params: Any = None, headers: Any = None, **options: Any) -> Any:
        """Send a DELETE request and return the answer's JSON."""
        return self.do_request("DELETE", uri, data, params, headers, **options)

    def do_request(
        self,
        method: str,
        uri: str,
        data: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        stream: bool = False,
        timeout: float | None = None,
        versioned_url: bool = True,
        **_: Any,
    ) -> Any:
        """Send a request.

        Args:
            method: HTTP method.
            uri: path below the API's address.
            data: bytes or an open file, sent as they are, or a value sent as JSON.
            params: query parameters; those that are None are left out, lists are repeated.
            headers: further headers; None values are left out.
            stream: return a `StreamedResponse` instead of JSON.
            timeout: seconds.
            versioned_url: whether `uri` is below the API's version.

        Raises:
            CloudifyClientError: the manager refused.
            ConnectionError: it cannot be reached.
        """
        query = {key: value for key, value in {**self.query_params, **(params or {})}.items() if value is not None}
        path = f"/api/{self.api_version}" if versioned_url else "/api"
        target = path + quote(uri, safe="/%:@~!$&'()*+,;=")
        if query:
            target += "?" + urlencode({key: _as_query(value) for key, value in query.items()}, doseq=True)
        body = data if data is None or isinstance(data, bytes) or hasattr(data, "read") else json.dumps(data).encode()
        sent = {key: value for key, value in {**self.headers, **(headers or {})}.items() if value is not None}
        connection = self._connect(timeout or self.default_timeout_sec)
        try:
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            if response.status >= 300:
                self._raise_client_error(response, f"{self.protocol}://{self.host}:{self.port}{target}")
            if stream:
                return StreamedResponse(response, connection)
            content = response.read()
        except (http.client.HTTPException, TimeoutError) as error:
            connection.close()
            raise ConnectionError(f"{method} {target}: {error!r}") from error
        except BaseException:
            connection.close()
            raise
        connection.close()
        return json.loads(content) if content.strip() else None

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self.protocol != SECURED_PROTOCOL:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.cert)
        if self.trust_all:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)

    def _raise_client_error(self, response: http.client.HTTPResponse, url: str) -> None:
        text = response.read().decode("utf-8", "replace")
        if response.status == 304:
            raise exceptions.NotModifiedError("The resource is in the wanted state already", None, 304, "not_modified")
        try:
            described = json.loads(text)
        except ValueError:
            described = None
        if not isinstance(described, dict):
            message = f"{response.status} {response.reason}: {text[:2000]} (url: {url})"
            raise exceptions.CloudifyClientError(message, None, response.status, response=response)
        message = described.get("message") or str(described.get("detail") or response.reason)
        code, trace = described.get("error_code"), described.get("server_traceback")
        raise exceptions.error_for(message, response.status, code, trace, response)


def _as_query(value: Any) -> Any:
    if isinstance(value, list | tuple | set):
        return [_as_query(item) for item in value]
    return value


class CloudifyClient:
    """The API as plugins see it: one attribute for each resource."""

    client_class = HTTPClient

    def __init__(
        self,
        host: str = "localhost",
        port: int | None = None,
        protocol: str = DEFAULT_PROTOCOL,
        api_version: str = DEFAULT_API_VERSION,
        headers: dict[str, str] | None = None,
        query_params: dict[str, Any] | None = None,
        cert: str | None = None,
        trust_all: bool = False,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        tenant: str | None = None,
        kerberos_env: Any = None,
        timeout: float | None = None,
        session: Any = None,
    ) -> None:
        """Make a client.

        Args:
            host: name of the manager's API.
            port: its port; default that of the protocol.
            protocol: ``http`` or ``https``.
            api_version: version in the address.
            headers: sent with every request.
            query_params: sent with every request.
            cert: file with the certificate to trust.
            trust_all: trust any certificate.
            username: for Basic authentication, with `password`.
            password: see `username`.
            token: authentication token.
            tenant: the tenant to work in.
            kerberos_env: accepted and ignored.
            timeout: seconds a request may take.
            session: accepted and ignored.
        """
        self.host = host
        self._client = self.client_class(
            host, port, protocol, api_version, headers, query_params, cert, trust_all, username, password, token,
            tenant, kerberos_env, timeout, session,
        )  # fmt: skip
        for name, factory in resources.RESOURCES.items():
            setattr(self, name, factory(self._client))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this client has no resource {name!r}")
