"""A bucket behind a real HTTP server, for every test that needs one.

The server is moto's. It keeps objects, lists, copies and takes uploads in parts as S3 does, but it checks no signature at
all. So presigned requests pass a gate before it, which recomputes the signature with nothing but `hashlib` (from the
published algorithm), and refuses expired and altered ones. Not checked by either: signatures of ordinary requests,
permissions, bucket policies, eventual consistency, lifecycle rules, and throttling.
"""

import hashlib
import hmac
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCESS_KEY, SECRET_KEY = "AKIATESTTESTTESTTEST", "a-secret-of-no-value"
BUCKET = "cliply-test"


def presigned_refusal(environ):
    """Why a presigned request is not valid, or None."""
    pairs = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
    query = dict(pairs)
    if "X-Amz-Signature" not in query:
        return None
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if datetime.now(UTC) >= signed_at + timedelta(seconds=int(query["X-Amz-Expires"])):
        return "Request has expired"
    names = query["X-Amz-SignedHeaders"].split(";")
    plain = {"content-length": "CONTENT_LENGTH", "content-type": "CONTENT_TYPE", "host": "HTTP_HOST"}
    values = {name: environ.get(plain.get(name) or "HTTP_" + name.upper().replace("-", "_"), "") for name in names}
    rest = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in pairs if k != "X-Amz-Signature")
    canonical = "\n".join(
        [
            environ["REQUEST_METHOD"],
            quote(environ["PATH_INFO"], safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in rest),
            *(f"{name}:{values[name].strip()}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = ("AWS4" + SECRET_KEY).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}"
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(expected, query["X-Amz-Signature"]) else "SignatureDoesNotMatch"


@contextmanager
def serving_s3():
    """The address of a server, for as long as the block runs."""
    inner = DomainDispatcherApplication(create_backend_app)

    def gate(environ, start_response):
        refusal = presigned_refusal(environ)
        if refusal is None:
            return inner(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [f"<Error><Code>AccessDenied</Code><Message>{refusal}</Message></Error>".encode()]

    server = make_server("127.0.0.1", 0, gate, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def with_bucket(address):
    """The test bucket at that address, and this process's credentials for it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        environment.delenv("AWS_SESSION_TOKEN", raising=False)
        found = boto3.session.Session().resource("s3", endpoint_url=address, region_name="us-east-1").Bucket(BUCKET)
        found.create()
        yield found
