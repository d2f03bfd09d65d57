"""Keys of service-account tokens for tests."""

from fairlead.apiserver.auth.keyset import KeySet

SIGNING = b"""\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdGVzdHMgb2Ygc2Vy
dmljZS1hY2NvdW50IHRva2VucyGhRANCAASKrho7UGealRvtjto1M+T0EcBaeSMF
jdRRO8sopz8UaisCH4X4rjJv48ecuyifubeof0c7JwlnA9qKxqah5LDy
-----END PRIVATE KEY-----
"""
OLDER = b"""\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYW4gb2xkZXIga2V5
IG9mIHRoZSBzYW1lIHNlcnZlciGhRANCAATKTnruVdiCWuJXFJvnaBic8GR8Bxw3
9SAh6y5gMyoDbnpRcIlAvBwoh8bVpaltge8ajXAJVEi1zHsJKu3jXyB1
-----END PRIVATE KEY-----
"""
OLDER_PUBLIC = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyk567lXYglriVxSb52gYnPBkfAcc
N/UgIesuYDMqA256UXCJQLwcKIfG1aWpbYHvGo1wCVRItcx7CSrt418gdQ==
-----END PUBLIC KEY-----
"""
SYMMETRIC = b"k" * 32

KEYS = KeySet(SIGNING)
