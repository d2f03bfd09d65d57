"""The distribution protocol: manifests and blobs of one repository on one server, with its ways of authentication.

Source: OCI distribution specification 1.1; Docker's token specification (Bearer, with Basic or a refresh token).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from fairlead.images.errors import ImageError
from fairlead.images.manifest import INDEXES, LONGEST_MANIFEST, MANIFESTS
from fairlead.images.reference import Reference
from fairlead.images.registry.credentials import Credential
from fairlead.images.registry.settings import Endpoint

_ACCEPT = ", ".join((*INDEXES, *MANIFESTS))
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=15.0, sock_connect=10.0, sock_read=60.0)
_OAUTH_CLIENT = "fairlead"


class RegistryError(ImageError):
    """The server's refusal, or the reason for which it cannot be asked."""


class Unauthorized(RegistryError):
    pass


class NotThere(RegistryError):
    """The server does not have the image."""


class Interrupted(RegistryError):
    """The connection broke: the rest can be fetched later."""


class RegistryClient:
    """One repository on one server, with one credential or none."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, reference: Reference, credential: Credential | None
    ) -> None:
        self._session = session
        self._endpoint = endpoint
        self._reference = reference
        self._credential = credential
        self._url = endpoint.url
        self._authorization = ""
        self._tls: ssl.SSLContext | bool = not endpoint.insecure

    async def manifest(self, target: str) -> tuple[bytes, str]:
        """Returns a manifest or an index, and its media type. Raises RegistryError."""
        async with self._get(f"manifests/{target}", {"Accept": _ACCEPT}) as response:
            data = bytearray()
            async for piece in response.content.iter_chunked(1 << 16):
                data += piece
                if len(data) > LONGEST_MANIFEST:
                    raise RegistryError(f"the manifest has more than {LONGEST_MANIFEST} bytes")
            return bytes(data), response.content_type

    @asynccontextmanager
    async def blob(self, digest: str, offset: int) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Yields the offset that the server starts from (0 if it cannot resume) and the bytes. Raises RegistryError."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._get(f"blobs/{digest}", headers) as response:
            yield offset if response.status == 206 else 0, response.content.iter_chunked(1 << 18)

    @asynccontextmanager
    async def _get(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with await self._answered(path, headers) as response:
                if response.status not in (200, 206):
                    raise await self._refusal(response)
                yield response
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
            raise Interrupted(f"{self._endpoint.host}: the connection broke: {error}") from error
        except TimeoutError as error:
            raise Interrupted(f"{self._endpoint.host}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryError(f"{self._endpoint.host} cannot be reached: {error}") from error

    async def _answered(self, path: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Sends the request, again with a token if the server asks for one."""
        response = await self._send(path, headers)
        if response.status != 401:
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        response.release()
        self._authorization = await self._authorize(challenge)
        return await self._send(path, headers)

    async def _send(self, path: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        own = {"Authorization": self._authorization} if self._authorization else {}
        try:
            return await self._session.get(
                f"{self._url}/{self._reference.repository}/{path}", headers={**headers, **own}, ssl=self._tls
            )
        except (aiohttp.ClientConnectionError, asyncio.IncompleteReadError, ValueError):
            # A registry on this machine, or one that the settings call insecure, may speak plain HTTP.
            if not self._endpoint.insecure or not self._url.startswith("https://"):
                raise
        self._url = "http://" + self._url.removeprefix("https://")
        return await self._send(path, headers)

    async def _authorize(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        credential = self._credential
        if scheme.lower() == "basic" and credential is not None:
            return _basic(credential)
        if scheme.lower() != "bearer":
            raise Unauthorized(f"{self._endpoint.host}: credentials are required for {self._reference.name}")
        fields = dict(_CHALLENGE.findall(rest))
        realm = fields.get("realm", "")
        if urlsplit(realm).scheme not in (("http", "https") if self._endpoint.insecure else ("https",)):
            raise RegistryError(f'{self._endpoint.host} sends to "{realm}" for a token, which is not HTTPS')
        return f"Bearer {await self._token(realm, fields)}"

    async def _token(self, realm: str, fields: Mapping[str, str]) -> str:
        scope = fields.get("scope") or f"repository:{self._reference.repository}:pull"
        query = {"service": fields.get("service", ""), "scope": scope}
        credential = self._credential
        if credential is not None and credential.identity_token:
            form = {**query, "grant_type": "refresh_token", "client_id": _OAUTH_CLIENT}
            form["refresh_token"] = credential.identity_token
            request = self._session.post(realm, data=form, ssl=self._tls)
        else:
            headers = {"Authorization": _basic(credential)} if credential else {}
            request = self._session.get(realm, params=query, headers=headers, ssl=self._tls)
        async with request as response:
            if response.status in (401, 403):
                raise Unauthorized(f"{urlsplit(realm).netloc}: the credentials for {self._reference.name} are refused")
            if response.status != 200:
                raise RegistryError(f"{urlsplit(realm).netloc}: no token for {self._reference.name}: {response.status}")
            tree: Any = await response.json(content_type=None)
        token = (tree.get("token") or tree.get("access_token")) if isinstance(tree, dict) else None
        if not isinstance(token, str):
            raise RegistryError(f"{urlsplit(realm).netloc}: the answer is without a token")
        return token

    async def _refusal(self, response: aiohttp.ClientResponse) -> RegistryError:
        text = _message((await response.content.read(1 << 14)).decode(errors="replace")) or response.reason
        what = f"{self._endpoint.host}: {self._reference}: {response.status} {text}"
        if response.status in (401, 403):
            return Unauthorized(what)
        return NotThere(what) if response.status == 404 else RegistryError(what)


def _basic(credential: Credential) -> str:
    """Returns the header's value (RFC 7617, in UTF-8)."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _message(body: str) -> str:
    """Returns the texts of a registry's errors."""
    try:
        errors = json.loads(body)["errors"]
        return "; ".join(str(e.get("message") or e.get("code")) for e in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def new_session() -> aiohttp.ClientSession:
    """Returns a session for pulls. Proxies are those of the environment (HTTPS_PROXY and similar)."""
    return aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False)
