"""What checks of schema/openapi.json and schema/asyncapi.json share: reading, $ref, validating."""
import json
import pathlib
import re

from jsonschema import Draft202012Validator, ValidationError, validators

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema"
METHODS = ("get", "post", "put", "patch", "delete")


def unique_items(validator, unique, items, schema):
    """uniqueItems by hash: jsonschema compares each pair, seconds for a thousand tasks."""
    if unique and validator.is_type(items, "array"):
        if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
            yield ValidationError("array has non-unique elements")


Validator = validators.extend(Draft202012Validator, {"uniqueItems": unique_items})


def load(path):
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def walk(value, place="#"):
    """Every value within, with its JSON pointer."""
    yield place, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, f"{place}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from walk(item, f"{place}/{number}")


def resolve(document, ref, folder=SCHEMA):
    """What a $ref names: within the document, or a file beside it. KeyError: nothing."""
    file, _, pointer = ref.partition("#")
    if file:
        path = folder / file
        if not path.is_file():
            raise KeyError(f"{ref}: there is no {path}")
        document = json.loads(path.read_text(encoding="utf-8"))
    for part in filter(None, pointer.split("/")):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def deref(document, value):
    while isinstance(value, dict) and "$ref" in value:
        value = resolve(document, value["$ref"])
    return value


def expand(document, schema, closed=False):
    """The schema with every $ref put in and every allOf merged, so that it stands alone.

    closed: every object refuses members that are not listed. A reader must bear unknown members,
    so the published schemas are open. A check must not: a member that the programs write and the
    contract does not tell is a fault of either.
    """
    if isinstance(schema, list):
        return [expand(document, item, closed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return expand(document, resolve(document, schema["$ref"]), closed)
    if "allOf" in schema:
        return expand(document, _merge(document, schema["allOf"]), closed)
    expanded = {name: expand(document, value, closed)
                for name, value in schema.items() if name != "properties"}
    if "properties" in schema:
        expanded["properties"] = {name: expand(document, value, closed)
                                  for name, value in schema["properties"].items()}
        if closed:
            expanded.setdefault("additionalProperties", False)
    return expanded


def _merge(document, parts):
    """One object schema of several that say nothing but which members there are."""
    merged = {"type": "object", "required": [], "properties": {}}
    for part in parts:
        part = deref(document, part)
        if set(part) - {"type", "required", "properties", "description"}:
            raise ValueError(f"allOf of {sorted(part)}: only plain objects can be merged")
        merged["required"] += part["required"]
        merged["properties"].update(part["properties"])
    return merged


def faults(document, schema, value, closed=False):
    """Why the value does not fit a schema of the document; [] when it fits."""
    validator = Validator(expand(document, schema, closed))
    return [f"{e.json_path}: {e.message:.300}" for e in validator.iter_errors(value)]


def operations(openapi):
    """Yields (method, path, operation)."""
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def find_operation(openapi, method, url_path):
    """(path, operation) of a request; (path, None): another method; (None, None): no such path."""
    found = None
    for path, item in openapi["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[0-9]+", path), url_path):
            found = path
            operation = item.get("get" if method == "HEAD" else method.lower())
            if operation:
                return path, operation
    return found, None


def answer_faults(openapi, response, status, media_type, text):
    """Why an answer is not as the response object says."""
    response = deref(openapi, response)
    media_type = media_type.partition(";")[0].strip()
    content = response.get("content", {}).get(media_type)
    if content is None:
        return [f"media type {media_type or 'none'} is not among {list(response['content'])}"]
    try:
        value = json.loads(text) if media_type == "application/json" else text
    except ValueError as error:
        return [f"not JSON: {error}"]
    found = faults(openapi, content["schema"], value, closed=True)
    if isinstance(value, dict) and "successful" in value and value.get("status") != status:
        found.append(f"the envelope says status {value.get('status')}, HTTP says {status}")
    return found


class Tap:
    """Prints TAP lines."""

    def __init__(self):
        self.number = self.failed = 0

    def check(self, name, found):
        """found: what is wrong, a list or a text; empty when nothing is."""
        self.number += 1
        self.failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {self.number} - {name}")
        for line in ([found] if isinstance(found, str) else found or [])[:20]:
            print(f"# {line}")

    def end(self):
        print(f"1..{self.number}")
        return 1 if self.failed or not self.number else 0
