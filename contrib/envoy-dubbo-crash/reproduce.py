#!/usr/bin/env python3
"""Ends an Envoy by its Dubbo filter: a provider closes its connection with calls in flight, then the consumer closes its own.

    python3 reproduce.py [path of envoy]        default: envoy of PATH

Everything is on 127.0.0.1; Python's standard library is enough. Exit code: 0 = Envoy died, 1 = it lived on, 2 = the
reproduction itself did not work.
"""

import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CALLS = 3
INTERFACE = "org.example.Greeter"
HEADER = struct.Struct(">HBBQI")  # magic, flags, status, id, length of the body
MAGIC = 0xDABB
REQUEST_OF_HESSIAN_2 = 0x80 | 0x40 | 2  # and an answer is wanted
CONNECTION_ERROR = 80
STARTS_S = 20
DIES_S = 3


def text(value):
    """A string of less than 32 characters as Hessian 2 has it."""
    raw = value.encode()
    assert len(raw) < 32
    return bytes([len(raw)]) + raw


def request(number):
    parts = ("2.0.2", INTERFACE, "0.0.0", "greet", "")  # Dubbo, path, version, method, types of no arguments
    body = b"".join(map(text, parts)) + b"N"  # no attachments
    return HEADER.pack(MAGIC, REQUEST_OF_HESSIAN_2, 0, number, len(body)) + body


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(connection):
    _, _, status, number, length = HEADER.unpack(read_exactly(connection, HEADER.size))
    read_exactly(connection, length)
    return status, number


def listen():
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]


def free_port():
    server, port = listen()
    server.close()
    return port


def provide(server, arrived):
    """Answers nothing. When all calls are in flight it closes every connection, as a provider does that is stopped."""
    connections = []
    lock = threading.Lock()

    def take(connection):
        read_frame(connection)
        with lock:
            connections.append(connection)
            if len(connections) < CALLS:
                return
        for each in connections:
            each.close()
        arrived.set()

    while True:
        connection, _ = server.accept()
        threading.Thread(target=take, args=(connection,), daemon=True).start()


def config(listener, provider, admin):
    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    route = {"match": {"method": {"name": {"safe_regex": {"regex": ".*"}}}}, "route": {"cluster": "provider"}}
    dubbo = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
        "stat_prefix": "crash",
        "protocol_type": "Dubbo",
        "serialization_type": "Hessian2",
        "route_config": [{"name": "all", "interface": INTERFACE, "routes": [route]}],
    }
    filters = [{"name": "envoy.filters.network.dubbo_proxy", "typed_config": dubbo}]
    endpoint = {"endpoint": {"address": address(provider)}}
    cluster = {
        "name": "provider",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "provider", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "dubbo", "address": address(listener), "filter_chains": [{"filters": filters}]}],
            "clusters": [cluster],
        },
    }


def ask(admin, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}{path}", timeout=2) as answer:
        return answer.read().decode()


def until_ready(envoy, admin):
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline and envoy.poll() is None:
        try:
            if "LIVE" in ask(admin, "/ready"):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("Envoy did not start")


def break_calls(envoy, listener, admin, arrived):
    with socket.create_connection(("127.0.0.1", listener), timeout=10) as consumer:
        for number in range(1, CALLS + 1):
            consumer.sendall(request(number))
        if not arrived.wait(10):
            raise RuntimeError("the calls did not reach the provider")
        answers = [read_frame(consumer) for _ in range(CALLS)]
        print(f"{CALLS} calls in flight when the provider closed; answers (status, id): {sorted(answers)}")
        if any(status != CONNECTION_ERROR for status, _ in answers):
            raise RuntimeError(f"not all of them are {CONNECTION_ERROR}")
        active = [line for line in ask(admin, "/stats").splitlines() if line.startswith("dubbo.crash.request_active")]
        print(f"{active[0]}: every call has its answer")
        print("the consumer closes its connection")
    try:
        return envoy.wait(DIES_S)
    except subprocess.TimeoutExpired:
        return None


def main(path):
    server, provider = listen()
    listener, admin = free_port(), free_port()
    arrived = threading.Event()
    threading.Thread(target=provide, args=(server, arrived), daemon=True).start()
    print(subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip())
    with tempfile.TemporaryFile() as log:
        flags = ["--config-yaml", json.dumps(config(listener, provider, admin)), "--disable-hot-restart"]
        envoy = subprocess.Popen([path, *flags, "--concurrency", "1"], stdout=log, stderr=log)
        try:
            until_ready(envoy, admin)
            code = break_calls(envoy, listener, admin, arrived)
            if code is None:
                print("Envoy lives")
                return 1
            print(f"Envoy died (signal {-code})" if code < 0 else f"Envoy ended with exit code {code}")
            return 0 if code < 0 else 2
        finally:
            envoy.kill()
            envoy.wait()
            log.seek(0)
            trace = [line for line in log.read().decode(errors="replace").splitlines() if "[critical]" in line]
            print("\n".join(trace[:20]))


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else shutil.which("envoy")
    try:
        if chosen is None:
            raise RuntimeError("there is no envoy on PATH: name one")
        sys.exit(main(chosen))
    except Exception as error:
        print(f"the reproduction did not work: {error!r}", file=sys.stderr)
        sys.exit(2)
