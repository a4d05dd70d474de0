"""Runs on a client node: asks for one file again and again, prints each answer that differs from the one before.

    poll.py http://127.0.0.1:8080/images/a.png
    poll.py ezdfs get images/a.png
"""

import http.client
import itertools
import re
import subprocess
import sys
import time
import urllib.parse


def shape(body):
    """Long bodies as runs of equal lines, or else of equal bytes: `a*300000`."""
    if len(body) <= 200:
        return body.decode(errors="replace")
    if body.endswith(b"\n"):
        lines = itertools.groupby(body.splitlines())
        runs = [f"{line[:80].decode(errors='replace')}*{sum(1 for _ in same)}" for line, same in lines]
        return "+".join(runs[:6])
    runs = [f"{chr(run[0][0])}*{len(run[0])}" for run in re.finditer(rb"(?s)(.)\1*", body)]
    return "+".join(runs[:6])


def from_http(url):
    url = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(url.netloc, timeout=120)
    try:
        connection.request("GET", url.path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
    except (http.client.HTTPException, ConnectionError) as error:
        return f"broken off: {type(error).__name__}"
    finally:
        connection.close()
    return f"{response.status} {shape(body)} {response.getheader('ETag', '')}"


def from_command(command):
    ended = subprocess.run(command, capture_output=True)
    return f"{ended.returncode} {shape(ended.stdout)} {ended.stderr.decode(errors='replace')}"


def main():
    is_url = sys.argv[1].startswith("http:")
    last = None
    while True:
        answer = from_http(sys.argv[1]) if is_url else from_command(sys.argv[1:])
        if answer != last:
            print(f"{time.time():.3f}", *answer.split(), flush=True)
            last = answer


if __name__ == "__main__":
    main()
