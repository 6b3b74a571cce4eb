"""The signature of HTTP pushes: RSA-SHA1, and the certificate that subscribers check it with.

What is not real is the certificate. The vendor's lies on a host of its own under a key that nobody else has; this one
is self-signed, its private key stands below for everyone to see, and the simulator serves it itself. So the vendor's
sample receivers, which fetch whatever `x-mns-signing-cert-url` names, verify pushes without a change. It proves
nothing to anyone, on purpose.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

CERTIFICATE_PATH = "/x509_public_certificate.pem"
#: Where the vendor's certificate lies; named when no client has told us yet how it reaches the simulator.
VENDOR_URL = "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem"
_SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIDYzCCAkugAwIBAgIUPF0TpquKhVTYw4Abj7HbBhlN0NswDQYJKoZIhvcNAQEL
BQAwQDELMAkGA1UEBhMCQ04xEjAQBgNVBAoMCVNpbXVsYXRlZDEMMAoGA1UECwwD
TW5zMQ8wDQYDVQQDDAZub3RpZnkwIBcNMjYxMTIwMjMyODI2WhgPMjEyNjEwMjcy
MzI4MjZaMEAxCzAJBgNVBAYTAkNOMRIwEAYDVQQKDAlTaW11bGF0ZWQxDDAKBgNV
BAsMA01uczEPMA0GA1UEAwwGbm90aWZ5MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A
MIIBCgKCAQEAxibyk6zWiRjp7AsD+S3n1EKLZySmGhMVOnjHnsmSqaicsSlFXUCt
18yTjFPcgkTql8Y73F6kVN8Oclt38wkDCfChO/4cUPT/HhcrHNsn+Vi8XLPu5fsu
BFjlNFMiQcTzrsTxsrZ5xCgcJaG0U25WF07x1MgSRmhPggwR1Na+xoba24TwVYL7
upv8IoE2nL/XAwoIgZ3kLblsN8g0MS235NWnlw/0RIiWo4b4tWjxnluemu6deQ30
BW37vOwRzHZZwmVfAzgJ1aHmC/FcfNV6GyTOdo56ld2BC5Y+SYx36NFZ87dYGLbo
ozFYjm7yhmR+sR25IelyjmEjAXUgH21DwwIDAQABo1MwUTAdBgNVHQ4EFgQUsHt/
hh9CTSIEzdv9/um6srijU4swHwYDVR0jBBgwFoAUsHt/hh9CTSIEzdv9/um6srij
U4swDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAq+5Q2DLNRMMp
ctc6Y1sNdZv8uvI6jvp/oL3Xkym4EkrLgmNMgyvAat5MiEkx9gliP9a/gRHrBwik
WHuyuD3fxN5Rain2899eyowQxAge9as1+njGIBRbOwQMD+UykN/yUd2TdK9DONAD
x0YiP28gDwJ7J4suxy3Zpedf1S4Bet/gy30gg9ZrxIGImf5a09XB6DX6L1G4uUMY
IDsDXEZ1e6M44gmHkqT3pm00Y0yZQ1Pg0sCqHyCPady5Nj0efq8jQYcL41Agn6zD
oRui0LeMhnu8YaZpOEjlHAC7J/pezsm9V2ZOvtQwm/T9zJhntdeMob/8N26uHAuF
++gnxfXyJw==
-----END CERTIFICATE-----
"""
_MODULUS = int(
    "c626f293acd68918e9ec0b03f92de7d4428b6724a61a13153a78c79ec992a9a89cb129455d40add7cc938c53dc8244ea97c6"
    "3bdc5ea454df0e725b77f3090309f0a13bfe1c50f4ff1e172b1cdb27f958bc5cb3eee5fb2e0458e534532241c4f3aec4f1b2"
    "b679c4281c25a1b4536e56174ef1d4c81246684f820c11d4d6bec686dadb84f05582fbba9bfc2281369cbfd7030a08819de4"
    "2db96c37c834312db7e4d5a7970ff4448896a386f8b568f19e5b9e9aee9d790df4056dfbbcec11cc7659c2655f033809d5a1"
    "e60bf15c7cd57a1b24ce768e7a95dd810b963e498c77e8d159f3b75818b6e8a331588e6ef286647eb11db921e9728e612301"
    "75201f6d43c3",
    16,
)
_EXPONENT = int(
    "1e78f5dc14fbe718803ccf12dcda9ce8cd150017283e214a25f4560a8ac835b41ae8b9c693893352d900a5d76db550e0dcd7"
    "5cf44e4faa47a5429be36dea285ffa73e934726956cbf6f62c28a36159dcb616f18adf2e4a0cdc18df7b9b6c8edbc4b83fcd"
    "3277b65d4ebad0cbd8fac25d9243e96b9d37dba9c27f95ac6c1be98ea547bfc6e2e2d1b5c37c8fe20b088928da0d36be5162"
    "3ac5c921e3b03ee581f0d77bf39515d6b51644bbf533ef6f7024b0c4945c1d8f302974253e5ea7819d436c14c477298de4a0"
    "a1ccef7601cd0deb7758340c0f737587e99065f63fe408e398cd04f88d7374320e36e5edeb2e9cbca775a556f2166e1480f8"
    "9609cb8cdfd9",
    16,
)
_SIZE = 256


def signature(text: str) -> str:
    """Return the Base64 RSA-SHA1 signature (PKCS 1 v1.5) of a string to sign."""
    info = _SHA1_INFO + hashlib.sha1(text.encode(), usedforsecurity=False).digest()
    padded = b"\x00\x01" + b"\xff" * (_SIZE - len(info) - 3) + b"\x00" + info
    signed = pow(int.from_bytes(padded), _EXPONENT, _MODULUS)
    return b64encode(signed.to_bytes(_SIZE)).decode()
