#!/usr/bin/env python3
"""Validates what running programs gave against the contracts. Prints TAP lines.

  real_answers.py answers FOLDER   answers of the ingress, one folder each: method, path, expected
                                   and body of the request, head and answer as curl wrote them
  real_answers.py messages PREFIX FILE...  messages as `kcat -C -J` prints them
"""
import json
import pathlib
import re
import sys

from contracts import (Tap, answer_faults, deref, faults, find_operation, load, operations)


def read_head(text):
    """Status and headers (lower-case names) of the last answer curl saw."""
    lines = text.replace("\r", "").strip().split("\n\n")[-1].split("\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers


def header_faults(status, headers):
    """Headers whose presence the contract promises."""
    wanted = {401: "www-authenticate", 405: "allow", 503: "retry-after"}.get(status)
    return [f"HTTP {status} without {wanted}"] if wanted and wanted not in headers else []


def check_answer(openapi, folder, seen):
    """What is wrong with one answer; notes in `seen` which operations succeeded."""
    def read(name):
        return (folder / name).read_text(encoding="utf-8")
    method, url, expected = read("method"), read("path"), int(read("expected"))
    status, headers = read_head(read("head"))
    path, operation = find_operation(openapi, method, url.partition("?")[0])
    if status != expected:
        return [f"HTTP {status}, not {expected}: {read('answer')[:500]}"]
    responses = operation["responses"] if operation else {}
    if operation and status == 405 or not operation and status not in (404, 405):
        return [f"HTTP {status}, but the contract has {operation and operation['operationId']}"]
    response = responses.get(str(status)) or deref(
        openapi, {"$ref": "#/components/responses/Error"})
    found = answer_faults(openapi, response, status, headers.get("content-type", ""),
                          read("answer"))
    if status >= 400 and headers.get("content-type") == "application/json" and path != "/readyz":
        found += header_faults(status, headers)
    if status == 200:
        seen.add((method, path))
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            found += [f"request: {line}"
                      for line in faults(openapi, schema, json.loads(read("body")))]
    elif operation and str(status) not in responses and status in (400, 404, 409, 500, 504):
        found.append(f"{status} is not told of {operation['operationId']}")
    return found


def check_answers(tap, folder):
    openapi = load("schema/openapi.json")
    seen = set()
    for answer in sorted(pathlib.Path(folder).iterdir()):
        name = " ".join((answer / part).read_text(encoding="utf-8")
                        for part in ("method", "path", "expected"))
        tap.check(f"{answer.name} {name:.90}", check_answer(openapi, answer, seen))
    missing = {(method, path) for method, path, _ in operations(openapi)} - seen
    tap.check("every route gave a 200", [f"{m} {p} did not" for m, p in sorted(missing)])


# ---- messages ----


def channel_of(asyncapi, prefix, topic):
    for name, channel in asyncapi["channels"].items():
        pattern = re.escape(channel["address"]).replace(r"\{prefix\}", re.escape(prefix))
        if re.fullmatch(pattern.replace(r"\{type\}", "[a-z0-9-]+"), topic):
            return name, channel
    return None, None


def check_message(asyncapi, channel, record):
    message = deref(asyncapi, *channel["messages"].values())
    pairs = record.get("headers") or []
    headers = dict(zip(pairs[::2], pairs[1::2]))
    found = [f"headers: {line}" for line in faults(asyncapi, message.get("headers", {}), headers)]
    if "traceparent" in headers and "traceparent" not in message["headers"]["properties"]:
        found.append("traceparent is not told")
    key = message["bindings"]["kafka"]["key"]
    found += [f"key: {line}" for line in faults(asyncapi, key, record["key"])]
    if "schemaFormat" in message["payload"]:
        schema = deref(asyncapi, message["payload"]["schema"])
        found += faults(schema, schema, json.loads(record["payload"]))
    return found


def check_messages(tap, prefix, files):
    asyncapi = load("schema/asyncapi.json")
    counts = dict.fromkeys(asyncapi["channels"], 0)
    for file in files:
        found = []
        for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            name, channel = channel_of(asyncapi, prefix, record["topic"])
            if channel is None:
                found.append(f"topic {record['topic']} is no channel")
                continue
            counts[name] += 1
            found += [f"{name} {record['partition']}/{record['offset']}: {fault}"
                      for fault in check_message(asyncapi, channel, record)]
        tap.check(f"messages in {pathlib.Path(file).name}", found)
    # The control topic is for the cancel call, which is not there yet.
    tap.check("messages of every channel were seen",
              [f"none of {name}" for name, count in counts.items()
               if count == 0 and name != "control"])


def main():
    tap = Tap()
    if sys.argv[1:2] == ["answers"] and len(sys.argv) == 3:
        check_answers(tap, sys.argv[2])
    elif sys.argv[1:2] == ["messages"] and len(sys.argv) > 3:
        check_messages(tap, sys.argv[2], sys.argv[3:])
    else:
        print("say: real_answers.py answers FOLDER, or messages PREFIX FILE...", file=sys.stderr)
        return 2
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
