"""Tokens of service accounts: their claims and signatures, and the objects with which they end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import string
from dataclasses import replace

import msgspec
import pytest
from multidict import CIMultiDict

from fairlead.apiserver.auth.authentication import Authenticated, Credentials
from fairlead.apiserver.auth.es256 import CryptographyKey, Key, OpensslKey, _libcrypto, load_key
from fairlead.apiserver.auth.keyset import KeySet
from fairlead.apiserver.auth.tokens import Claims, InvalidToken, Tokens
from fairlead.apiserver.model import ANONYMOUS
from fairlead.base.base64url import decode_base64url, encode_base64url
from fairlead.machinery.values.status import StatusError

from .harness import MERGE, PODS, Api, Tree, brief, events, pod, start, story
from .rbac import user
from .tokenkeys import KEYS, OLDER, OLDER_PUBLIC, SIGNING, SYMMETRIC

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SECRETS = "/api/v1/namespaces/default/secrets"
ISSUER = "https://kubernetes.default.svc.cluster.local"


def check(api: Api, token: str, *audiences: str) -> Authenticated:
    return api.server._access.token_authenticator.check(token, audiences or (ISSUER,))


def openssl_key(pem: bytes) -> Key:
    library = _libcrypto()
    if library is None:
        pytest.skip("Python's ssl does not lead to libcrypto")
    return OpensslKey(pem, library)


IMPLEMENTATIONS = [openssl_key, CryptographyKey]


@pytest.mark.parametrize("verifies", IMPLEMENTATIONS)
@pytest.mark.parametrize("signs", IMPLEMENTATIONS)
def test_what_one_implementation_signs_every_one_verifies(signs: type[Key], verifies: type[Key]) -> None:
    private, other = signs(SIGNING), verifies(SIGNING)  # type: ignore[call-arg]
    assert private.public_der == other.public_der
    public = verifies(OLDER_PUBLIC)  # type: ignore[call-arg]
    for data in (b"", b"a", b"x" * 5000):
        for _ in range(20):  # signatures begin with zero bytes now and then
            signature = private.sign(data)
            assert len(signature) == 64
            assert other.verify(data, signature)
            assert not other.verify(data + b"x", signature)
            assert not public.verify(data, signature)
    for bad in (b"", b"\0" * 64, b"\xff" * 64, signature[:-1], signature + b"x", signature[32:] + signature[:32]):
        assert not other.verify(data, bad)


@pytest.mark.parametrize("load", IMPLEMENTATIONS)
def test_a_key_that_is_damaged_or_of_another_kind_is_refused(load: type[Key]) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    others = (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1()))
    pems = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in others]
    for pem in (b"", b"x", SIGNING[:100], OLDER_PUBLIC[:60], *pems):
        with pytest.raises(ValueError, match=r"[a-z]"):
            load(pem)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="sign"):
        load(OLDER_PUBLIC).sign(b"x")  # type: ignore[call-arg]


@story
async def test_a_token_names_its_user_until_it_expires(api: Api) -> None:
    asked = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {"expirationSeconds": 600}})
    token = asked["status"]["token"]
    assert asked["status"]["expirationTimestamp"] == "2023-11-14T22:23:20Z"
    authenticate = api.server._access.authenticators.authenticate
    user = await authenticate(Credentials(None, {"authorization": f"Bearer {token}"}))
    subprotocol = "base64url.bearer.authorization.k8s.io." + encode_base64url(token.encode()).decode()
    browser = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-protocol": f"{subprotocol}, x"}
    assert await authenticate(Credentials(None, CIMultiDict(browser))) == user
    browser["sec-websocket-protocol"] = subprotocol
    with pytest.raises(StatusError, match="Unauthorized"):
        await authenticate(Credentials(None, CIMultiDict(browser)))
    assert user.name == "system:serviceaccount:default:default"
    assert "system:serviceaccounts:default" in user.groups
    whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    found = await replace(api, user=user).ok("POST", whoami, {})
    assert found["status"]["userInfo"]["username"] == user.name
    api.clock.advance(601)
    assert not _knows(api, token)


@story
async def test_a_token_outlives_a_clock_that_is_set_back_by_hours(api: Api) -> None:
    asked = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}})
    api.clock.advance(-20 * 3600)
    assert _knows(api, asked["status"]["token"])


@story
async def test_a_token_dies_with_its_pod_and_its_account(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("a"))
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "a", "uid": made["metadata"]["uid"]}
    bound = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {"boundObjectRef": ref}})
    free = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}})
    assert _knows(api, bound["status"]["token"])
    await api.ok("DELETE", f"{PODS}/a")
    assert not _knows(api, bound["status"]["token"])
    await api.ok("POST", PODS, pod("a"))
    assert not _knows(api, bound["status"]["token"]), "the new Pod is another one"
    assert _knows(api, free["status"]["token"])
    await api.ok("DELETE", f"{ACCOUNTS}/default")
    await api.ok("POST", ACCOUNTS, {"metadata": {"name": "default"}})
    assert not _knows(api, free["status"]["token"]), "the new account is another one"


@story
async def test_token_requests_are_checked(api: Api) -> None:
    path = f"{ACCOUNTS}/default/token"
    error = await api.error("POST", path, {"spec": {"expirationSeconds": 5}})
    assert (error.code, "may not specify a duration less than 10 minutes" in error.message) == (422, True)
    assert (await api.error("POST", f"{ACCOUNTS}/bob/token", {"spec": {}})).code == 404
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "nope"}
    assert (await api.error("POST", path, {"spec": {"boundObjectRef": ref}})).code == 404
    wrong = {"kind": "ConfigMap", "apiVersion": "v1", "name": "a"}
    error = await api.error("POST", path, {"spec": {"boundObjectRef": wrong}})
    assert (error.code, error.message) == (400, "cannot bind token to object of type /v1, Kind=ConfigMap")
    await api.ok("POST", ACCOUNTS, {"metadata": {"name": "web"}})
    await api.ok("POST", PODS, pod("a", serviceAccountName="web"))
    error = await api.error("POST", path, {"spec": {"boundObjectRef": ref | {"name": "a"}}})
    text = 'cannot bind token for serviceaccount "default" to pod running with different serviceaccount name.'
    assert (error.code, error.message) == (400, text)
    other = {"spec": {"boundObjectRef": ref | {"name": "a", "uid": "x"}}}
    assert (await api.error("POST", f"{ACCOUNTS}/web/token", other)).code == 409


def _knows(api: Api, token: str) -> bool:
    try:
        check(api, token)
    except InvalidToken:
        return False
    return True


@story
async def test_forged_tokens_are_refused(api: Api) -> None:
    good = (await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
    head, payload, signature = good.split(".")
    claims = Tokens(KEYS).read(good)

    def signed(algorithm: str, key: bytes) -> str:
        body = f"{encode_base64url(msgspec.json.encode({'alg': algorithm, 'typ': 'JWT'})).decode()}.{payload}"
        return f"{body}.{encode_base64url(hmac.new(key, body.encode(), hashlib.sha256).digest()).decode()}"

    public = load_key(SIGNING).public_der
    none = encode_base64url(b'{"alg":"none"}').decode()
    for bad in (
        Tokens(KeySet(OLDER)).sign(claims),
        f"{none}.{payload}.",
        f"{head}.{payload}.AAAA",
        f"{head}.{encode_base64url(payload.encode()).decode()}.{signature}",
        signed("HS256", b""),
        signed("HS256", public),
        signed("ES256", public),
        "a.b.c",
        "x",
        "",
        f"{good}x",
    ):
        assert not _knows(api, bad), bad
    other = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {"audiences": ["vault"]}})
    assert not _knows(api, other["status"]["token"])


@story
async def test_a_token_has_one_spelling(api: Api) -> None:
    good = (await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
    for foreign in ("!", "=", "\n", "é", "~"):
        for part in range(3):
            parts = good.split(".")
            parts[part] = parts[part][:7] + foreign + parts[part][7:]
            assert not _knows(api, ".".join(parts)), (foreign, part)
    head, payload, signature = good.split(".")
    assert not _knows(api, f"{head}.{payload}.{signature}=")
    # 64 bytes leave four bits of the last character unused: they are zero.
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    same_bytes = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(same_bytes + "==") == base64.urlsafe_b64decode(signature + "==")
    assert not _knows(api, f"{head}.{payload}.{same_bytes}")
    assert _knows(api, good)


@story
async def test_a_token_of_a_pod_names_the_pod_and_its_node(api: Api) -> None:
    node = await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    made = await api.ok("POST", PODS, pod("a", nodeName="n1"))
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "a"}
    asked = {"spec": {"boundObjectRef": ref, "expirationSeconds": 3607}}
    found = await api.ok("POST", f"{ACCOUNTS}/default/token", asked)
    token, uid = found["status"]["token"], made["metadata"]["uid"]
    claims = Tokens(KEYS).read(token)
    assert isinstance(claims, Claims)
    assert check(api, token).user.extra == {
        "authentication.kubernetes.io/pod-name": ("a",),
        "authentication.kubernetes.io/pod-uid": (uid,),
        "authentication.kubernetes.io/node-name": ("n1",),
        "authentication.kubernetes.io/node-uid": (node["metadata"]["uid"],),
        "authentication.kubernetes.io/credential-id": (f"JTI={claims.jti}",),
    }
    # A kubelet that does not renew the token in time is not punished: the answer says an hour, the claim a year.
    assert claims.kubernetes.warnafter == claims.iat + 3607
    assert claims.exp == claims.iat + 365 * 86400
    assert found["status"]["expirationTimestamp"] == "2023-11-14T23:13:27Z"
    api.clock.advance(2 * 3600)
    assert _knows(api, token)


@story
async def test_a_token_ends_with_the_secret_or_the_node_that_it_is_bound_to(api: Api) -> None:
    for kind, path, name in (("Secret", SECRETS, "s"), ("Node", "/api/v1/nodes", "n1")):
        await api.ok("POST", path, {"metadata": {"name": name}})
        ref = {"kind": kind, "apiVersion": "v1", "name": name}
        found = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {"boundObjectRef": ref}})
        token = found["status"]["token"]
        assert _knows(api, token)
        await api.ok("DELETE", f"{path}/{name}")
        assert not _knows(api, token)
        await api.ok("POST", path, {"metadata": {"name": name}})
        assert not _knows(api, token), kind


def test_tokens_of_an_older_key_are_valid_and_new_ones_are_of_the_new_key() -> None:
    async def main() -> None:
        before = await start(token_keys=KeySet(OLDER))
        token = (await before.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
        await before.server.stop()
        for keys, known in ((KeySet(SIGNING, [OLDER_PUBLIC]), True), (KeySet(SIGNING), False)):
            after = await start(before.store, token_keys=keys)
            assert _knows(after, token) is known
            new = (await after.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
            assert new.split(".")[0] != token.split(".")[0]
            served = (await after.ok("GET", "/openid/v1/jwks"))["keys"]
            assert len(served) == (2 if known else 1)
            await after.server.stop()

    asyncio.run(main())


def test_tokens_of_a_symmetric_key_are_valid_as_long_as_the_key_is_there() -> None:
    async def main() -> None:
        api = await start(token_keys=KeySet(SIGNING, symmetric=SYMMETRIC))
        token = (await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
        body = encode_base64url(b'{"alg":"HS256","typ":"JWT"}').decode() + "." + token.split(".")[1]
        old = f"{body}.{encode_base64url(hmac.new(SYMMETRIC, body.encode(), hashlib.sha256).digest()).decode()}"
        assert _knows(api, old)
        await api.server.stop()
        api = await start(api.store)
        assert not _knows(api, old)
        await api.server.stop()

    asyncio.run(main())


@story
async def test_others_can_verify_tokens_by_the_published_keys(api: Api) -> None:
    found = await api.call("GET", "/.well-known/openid-configuration")
    assert found.headers["content-type"] == "application/json"
    document: Tree = msgspec.json.decode(found.body)
    assert document == {
        "issuer": ISSUER,
        "jwks_uri": "https://172.30.0.1:6443/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    response = await api.call("GET", "/openid/v1/jwks")
    assert response.headers["content-type"] == "application/jwk-set+json"
    assert response.headers["cache-control"] == "public, max-age=3600"
    (key,) = msgspec.json.decode(response.body)["keys"]
    token = (await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {}}))["status"]["token"]
    head, payload, signature = token.split(".")
    assert msgspec.json.decode(decode_base64url(head.encode())) == {"alg": "ES256", "kid": key["kid"]}
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    x, y = (int.from_bytes(decode_base64url(key[name].encode()), "big") for name in "xy")
    raw = decode_base64url(signature.encode())
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    public.verify(der, f"{head}.{payload}".encode(), ECDSA(SHA256()))
    account = user("system:serviceaccount:default:web", "system:serviceaccounts")
    for who, code in ((account, 200), (user("alice"), 403), (ANONYMOUS, 403)):
        for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
            assert (await replace(api, user=who).call("GET", path)).status == code


TYPE = "kubernetes.io/service-account-token"


def token_secret(name: str, account: str, **annotations: str) -> Tree:
    named = {"kubernetes.io/service-account.name": account, **annotations}
    return {"metadata": {"name": name, "annotations": named}, "type": TYPE}


async def filled(api: Api, name: str) -> Tree:
    """Returns the Secret when it has a token."""
    while True:
        found = await api.ok("GET", f"{SECRETS}/{name}")
        if "token" in found.get("data", {}):
            return found
        await asyncio.sleep(0)


@story
async def test_a_secret_for_an_account_is_filled_with_a_token_that_ends_with_it(api: Api) -> None:
    uid = (await api.ok("GET", f"{ACCOUNTS}/default"))["metadata"]["uid"]
    await api.ok("POST", SECRETS, token_secret("s", "default"))
    made = await filled(api, "s")
    assert made["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == uid
    assert base64.b64decode(made["data"]["namespace"]) == b"default"
    token = base64.b64decode(made["data"]["token"]).decode()
    found = check(api, token)
    assert (found.user.name, found.user.extra) == ("system:serviceaccount:default:default", {})
    api.clock.advance(10 * 365 * 86400)
    assert _knows(api, token)
    with pytest.raises(InvalidToken):
        check(api, token, "vault")
    marked = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2024-01-01"}}}
    await api.ok("PATCH", f"{SECRETS}/s", marked, content_type=MERGE)
    assert not _knows(api, token)
    await api.ok("PATCH", f"{SECRETS}/s", {"metadata": {"labels": None}}, content_type=MERGE)
    assert _knows(api, token)
    await api.ok("PATCH", f"{SECRETS}/s", {"data": {"token": None}}, content_type=MERGE)
    renewed = base64.b64decode((await filled(api, "s"))["data"]["token"]).decode()
    assert _knows(api, renewed)
    assert not _knows(api, token)
    await api.ok("DELETE", f"{SECRETS}/s")
    assert not _knows(api, renewed)


@story
async def test_a_secret_for_a_missing_or_another_account_is_deleted(api: Api) -> None:
    stream = await api.watch(SECRETS, resourceVersion=str(api.revision))
    await api.ok("POST", SECRETS, token_secret("none", "gone"))
    await api.ok("POST", SECRETS, token_secret("other", "default", **{"kubernetes.io/service-account.uid": "x"}))
    await api.ok("POST", ACCOUNTS, {"metadata": {"name": "web"}})
    await api.ok("POST", SECRETS, token_secret("web", "web"))
    token = base64.b64decode((await filled(api, "web"))["data"]["token"]).decode()
    await api.ok("DELETE", f"{ACCOUNTS}/web")
    happened = sorted(brief(await events(stream, 7)))
    assert [name for kind, name in happened if kind == "DELETED"] == ["none", "other", "web"]
    assert (await api.ok("GET", SECRETS))["items"] == []
    await api.ok("POST", ACCOUNTS, {"metadata": {"name": "web"}})
    assert not _knows(api, token)
