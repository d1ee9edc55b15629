"""Makes event.json: the audit event's bytes by somebody else's hand (Python's hashlib, hmac and openssl's Ed25519).

Run: python3 test/audit/vectors/make.py > test/audit/vectors/event.json
"""
import base64, hashlib, hmac, json, subprocess

def b64u(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def text(value): return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
def digest(disclosure): return b64u(hashlib.sha256(b64u(disclosure.encode()).encode("ascii")).digest())

seed, origin = bytes([7] * 32), "test.example/log"
prk = hmac.new(bytes(32), seed, hashlib.sha256).digest()
admission = hmac.new(prk, f"deadletter/admit/v1\n{origin}".encode() + b"\x01", hashlib.sha256).digest()
pkcs8 = bytes.fromhex("302e020100300506032b657004220420") + seed
public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=pkcs8, capture_output=True, check=True).stdout[-32:]
key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4].hex()

actor = {"user_id": 1, "key_id": 2, "via": "http", "request_id": "req-1", "reason": None}
state = {"id": 42, "short_code": "sale", "original_url": "https://example.com/ü", "title": "Café", "is_active": True,
         "expires_at": None, "user_id": 1, "created_at": "2026-11-22T15:53:01.123Z",
         "updated_at": "2026-11-22T15:53:01.123Z", "version": 1}
disclosures = [text([b64u(bytes(range(16))), "actor", actor]), text([b64u(bytes(range(16, 32))), "state", state])]
digests = [digest(d) for d in disclosures]

def event(op, prev, version, at):
    leaf = text({"_sd": sorted(digests), "_sd_alg": "sha-256", "at": at, "op": op, "prev": prev,
                 "subject": "url:42", "type": "deadletter/event/v1", "v": version}).encode("ascii")
    leaf_hash = hashlib.sha256(b"\x00" + leaf).digest()
    return {"leaf": leaf.decode(), "leaf_hash": leaf_hash.hex(), "tag": hmac.new(admission, leaf_hash, hashlib.sha256).hexdigest()}

first = event("created", None, 1, "2026-11-22T15:53:01.123Z")
second = event("updated", b64u(bytes.fromhex(first["leaf_hash"])), 2, "2026-11-22T15:53:02.000Z")
print(json.dumps({
    "origin": origin, "seed": seed.hex(), "admission_key": admission.hex(),
    "signer_key": f"PRIVATE+KEY+{origin}+{key_id}+" + base64.b64encode(bytes([1]) + seed).decode(),
    "verifier_key": f"{origin}+{key_id}+" + base64.b64encode(bytes([1]) + public).decode(),
    "actor": actor, "state": state, "disclosures": disclosures, "digests": digests, "events": [first, second],
}, indent=2, ensure_ascii=False))
