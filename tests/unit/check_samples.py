#!/usr/bin/env python3
"""Proves each message sample against its JSON Schema: valid-* must fit, invalid-* must not.

Prints one TAP line a sample; exit 1 when one is not as its name says, or when a schema has no
sample of both sorts.
"""
import json
import pathlib
import sys

from jsonschema import Draft202012Validator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
# pylint: disable=wrong-import-position
from contracts import Validator

MESSAGES = pathlib.Path(__file__).resolve().parents[2] / "schema" / "messages"


def fits(validator, path):
    """Whether the sample fits, and the first reason why not."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return False, f"not JSON: {error}"
    error = next(validator.iter_errors(value), None)
    return (True, "") if error is None else (False, f"{error.json_path}: {error.message:.200}")


def check_message(schema_path):
    """Yields (name, passed, detail) for every sample of one message."""
    message = schema_path.name.removesuffix(".schema.json")
    schema = json.loads(schema_path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Validator(schema)
    samples = sorted((MESSAGES / "samples" / message).glob("*.json"))
    for sort in ("valid-", "invalid-"):
        count = sum(path.name.startswith(sort) for path in samples)
        yield f"{message} has {sort}* samples", count > 0, "none found"
    for path in samples:
        expected = path.name.startswith("valid-")
        fit, why = fits(validator, path)
        detail = why if expected else "it fits the schema"
        yield f"{message}/{path.name}", fit == expected, detail


def main():
    number = failed = 0
    for schema_path in sorted(MESSAGES.glob("*.schema.json")):
        for name, passed, detail in check_message(schema_path):
            number += 1
            failed += not passed
            print(f"{'ok' if passed else 'not ok'} {number} - {name}")
            if not passed:
                print(f"# {detail}")
    print(f"1..{number}")
    return 1 if failed or number == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
