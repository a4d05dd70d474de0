"""Runs on a client node: overwrites files by turns until so many writes are acknowledged, prints what came of each.

    overwrite.py a 50 images/x,images/y ezdfs put
    overwrite.py a 50 images/x,images/y http://127.0.0.1:8090
"""

import http.client
import json
import subprocess
import sys
import time
import urllib.parse

LINES = 3000


def body(writer, number):
    """Says in each line whose it is, and is as long as all others."""
    return f"{writer}{number:04d}\n" * LINES


def by_http(base, id, text):
    url = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(url.netloc, timeout=300)
    try:
        connection.request("PUT", f"/{id}", body=text.encode(), headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status == 200, response.read().decode(errors="replace")
    finally:
        connection.close()


def by_command(command, id, text):
    ended = subprocess.run([*command, id, "-"], input=text.encode(), capture_output=True)
    return ended.returncode == 0, ended.stderr.decode(errors="replace")


def main():
    writer, count, ids, *target = sys.argv[1:]
    ids = ids.split(",")
    number = acknowledged = 0
    while acknowledged < int(count):
        number += 1
        id, start = ids[number % len(ids)], time.time()
        text = body(writer, number)
        is_http = target[0].startswith("http:")
        is_stored, said = by_http(target[0], id, text) if is_http else by_command(target, id, text)
        acknowledged += is_stored
        write = {"id": id, "name": f"{writer}{number:04d}", "start": start, "end": time.time()}
        print(json.dumps({**write, "is_stored": is_stored, "said": said.strip()}), flush=True)


if __name__ == "__main__":
    main()
