"""Reads requests with h11, a parser that shares nothing with sc: the second opinion of a test.

Each line of the input is one byte stream in hexadecimal digits; each line of the output a JSON list
of the requests that h11 finds in it. The last one may be incomplete ("whole": false). Where h11
finds an error the list ends with {"error": …}.
"""

import json
import sys

import h11


def requests(data):
    found = []
    # RFC 9112, section 2.2: one empty line before a request is ignored. h11 does not.
    while data:
        if data.startswith(b"\r\n"):
            data = data[2:]
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        reader.receive_data(data)
        one = None
        try:
            while True:
                event = reader.next_event()
                if isinstance(event, h11.Request):
                    one = {
                        "method": event.method.decode("latin-1"),
                        "target": event.target.decode("latin-1"),
                        "version": event.http_version.decode(),
                        "fields": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in event.headers],
                        "body": "",
                        "whole": False,
                    }
                elif isinstance(event, h11.Data):
                    one["body"] += bytes(event.data).hex()
                elif isinstance(event, h11.EndOfMessage):
                    one["whole"] = True
                    one["trailers"] = [
                        [n.decode("latin-1"), v.decode("latin-1")] for n, v in event.headers
                    ]
                    break
                else:
                    break
        except h11.RemoteProtocolError as error:
            # A head that was read before a wrong body is no request yet.
            if one is not None:
                found.append(one)
            found.append({"error": str(error)})
            return found
        if one is None:
            return found
        found.append(one)
        # A wish to upgrade is not granted by anyone here: the next request is read anew.
        if not one["whole"] or reader.their_state not in (h11.DONE, h11.MIGHT_SWITCH_PROTOCOL):
            return found
        data = reader.trailing_data[0]
    return found


for line in sys.stdin:
    print(json.dumps(requests(bytes.fromhex(line.strip()))), flush=True)
