"""Sends webhooks that the official Svix library signed to a running host, and checks its answers.

Knows nothing of the host but its URL and a source's secret. The table is cases.json.
"""

import argparse
import http.client
import json
import string
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from svix.webhooks import Webhook

OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = '{"type":"interop.checked","object":"event","data":{"n":1}}'


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Suite:
    def __init__(self, url, secret, source):
        self.address = urlsplit(url)
        self.webhook, self.other = Webhook(secret), Webhook(OTHER_SECRET)
        self.source = source
        self.passed, self.failed = 0, 0

    def check(self, name, holds, shown=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}: {shown}")

    def send(self, method, path, headers, body, chunked=False):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value.encode())
            pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
            if chunked:
                connection.putheader("transfer-encoding", "chunked")
                pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
            elif method != "GET":
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            try:
                for piece in pieces:
                    connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the end: the answer is there already
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def signed(self, id, at, body):
        """The three headers of Svix, by Svix's library."""
        signature = self.webhook.sign(id, datetime.fromtimestamp(at, timezone.utc), body)
        return [("svix-id", id), ("svix-timestamp", str(at)), ("svix-signature", signature)]

    def deliver(self, id, body=BODY, at=0, sent=None):
        headers = self.signed(id, int(time.time()) + at, body)
        sent = body.encode() if sent is None else sent
        return self.send("POST", f"/webhooks/{self.source}", headers, sent)

    def case(self, case):
        unique = uuid.uuid4().hex + "_" * 4
        at = int(time.time()) + case.get("at", 0)
        body = case_body(case)
        signed_body = case.get("signed_body", body)
        names = {"uuid": unique, "timestamp": at, "later": at + 1, "source": self.source}
        id = string.Template(case.get("id", "msg_$uuid")).substitute(names)
        headers = dict(self.signed(id, at, signed_body))
        signature = headers["svix-signature"]
        other = self.other.sign(id, datetime.fromtimestamp(at, timezone.utc), signed_body)
        names |= {"id": id, "signature": signature, "bare": signature.removeprefix("v1,"), "other": other}
        headers = {"content-type": "application/json"} | headers | case.get("headers", {})
        lines = [
            (name, string.Template(value).substitute(names))
            for name, values in headers.items()
            for value in (values if isinstance(values, list) else [values])
            if value is not None
        ]
        path = string.Template(case.get("path", "/webhooks/$source")).substitute(names)
        method = case.get("method", "POST")
        body = b"" if method == "GET" else body.encode()
        return self.send(method, path, lines, body, case.get("chunked", False))

    def table(self):
        unverified = set()
        for case in json.loads(Path(__file__).with_name("cases.json").read_text()):
            answer = self.case(case)
            shown = f"{answer.status} {answer.body[:200]!r}, expected {case['status']} {case.get('code', '')}"
            self.check(case["name"], answer.status == case["status"], shown)
            if "code" in case:
                self.check(f"{case['name']}: problem", is_problem(answer, case), shown)
            else:
                self.check(f"{case['name']}: answer", isinstance(answer.json.get("runs"), int), shown)
            if answer.status == 401:
                unverified.add(answer.body)
            if answer.status == 405:
                self.check(f"{case['name']}: Allow", answer.headers.get("allow") == "POST", answer.headers)
        self.check("all 401 have one body", len(unverified) == 1, unverified)

    def retries(self):
        id = f"msg_{uuid.uuid4().hex}"
        first = self.deliver(id)
        self.check("first delivery", first.status == 202, first.status)
        for at in (0, 5, -200):
            again = self.deliver(id, at=at)
            expected = {"id": first.json.get("id"), "duplicate": True}
            self.check(f"retry signed at {at} s", (again.status, again.json) == (200, expected), again.body)
        conflict = self.deliver(id, BODY.replace("1", "2"))
        self.check("same id, another body", is_problem(conflict, {"status": 409, "code": "id_conflict"}), conflict.body)
        again = self.deliver(id)
        self.check("retry after the conflict", again.status == 200, again.status)

    def copies(self):
        headers = self.signed(f"msg_{uuid.uuid4().hex}", int(time.time()), BODY)
        with ThreadPoolExecutor(100) as pool:
            send = lambda _: self.send("POST", f"/webhooks/{self.source}", headers, BODY.encode())
            answers = list(pool.map(send, range(100)))
        statuses = sorted(answer.status for answer in answers)
        self.check("100 copies at once: one is new", statuses == [200] * 99 + [202], statuses)
        ids = {answer.json.get("id") for answer in answers}
        self.check("100 copies at once: one id", len(ids) == 1, ids)

    def flips(self):
        for index in range(len(BODY)):
            for mask in (0x01, 0x80):
                sent = bytearray(BODY.encode())
                sent[index] ^= mask
                answer = self.deliver(f"msg_{uuid.uuid4().hex}", sent=bytes(sent))
                self.check(f"body byte {index} ^ {mask:#x}", answer.status == 401, answer.status)

    def health(self):
        for path in ("/livez", "/readyz"):
            self.check(path, self.send("GET", path, [], b"").status == 200)


def case_body(case):
    if "size" in case:
        return BODY + " " * (case["size"] - len(BODY))
    if "nest" in case:
        return '{"type":"interop.checked","data":' + "[" * case["nest"] + "]" * case["nest"] + "}"
    return case.get("body", BODY)


def is_problem(answer, case):
    found = (answer.status, answer.json.get("status"), answer.json.get("code"))
    typed = answer.headers.get("content-type") == "application/problem+json"
    return typed and found == (case["status"], case["status"], case["code"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the intake listener, http://127.0.0.1:8400")
    parser.add_argument("--secret", required=True, help="the source's secret, whsec_…")
    parser.add_argument("--source", default="clerk")
    arguments = parser.parse_args()
    suite = Suite(arguments.url, arguments.secret, arguments.source)
    for part in (suite.health, suite.table, suite.retries, suite.copies, suite.flips):
        part()
    print(f"{suite.passed} passed, {suite.failed} failed")
    sys.exit(1 if suite.failed else 0)


if __name__ == "__main__":
    main()
