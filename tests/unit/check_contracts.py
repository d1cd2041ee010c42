#!/usr/bin/env python3
"""Proves schema/openapi.json against the ingress's table of routes and the seed, and
schema/asyncapi.json against schema/topics.json and the message samples. Prints TAP lines.
"""
import copy
import json
import pathlib
import re
import sys

from jsonschema import Draft202012Validator, SchemaError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
# pylint: disable=wrong-import-position
from contracts import ROOT, Tap, Validator, deref, faults, load, operations, resolve, walk

BATCH_ADD = "/api/v2/obproxy/clusters/{id}/obproxies/batchAdd"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


def source(path):
    return (ROOT / path).read_text(encoding="utf-8")


def differ(what, ours, theirs):
    """Lines about members of two sets that are in one only."""
    return ([f"{x} is in the programs, not in {what}" for x in sorted(ours - theirs)] +
            [f"{x} is in {what}, not in the programs" for x in sorted(theirs - ours)])


# ---- both ----


def dangling(document):
    found = []
    for place, value in walk(document):
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            try:
                resolve(document, value["$ref"])
            except (KeyError, TypeError):
                found.append(f"{place}: {value['$ref']} leads nowhere")
    return found


def unused(document):
    """Components nothing refers to."""
    text = json.dumps(document)
    return [f"#/components/{kind}/{name} is used by nothing"
            for kind, items in document["components"].items() if kind != "securitySchemes"
            for name in items if f'"#/components/{kind}/{name}"' not in text]


def unknown_members(value, place, allowed):
    return [f"{place}: there is no member {name}" for name in value
            if name not in allowed and not name.startswith("x-")]


def program_version():
    return re.search(r'#define VERSION "([^"]+)"', source("producer/api_meta.c"))[1]


# ---- OpenAPI ----


def routes():
    """(method, path) -> (handler, open) of the producer's table."""
    table = source("producer/routes.c").split("routes[] = {", 1)[1].split("{0}", 1)[0]
    rows = re.findall(r'\{"([A-Z]+)",\s*"([^"]+)",\s*(\w+),\s*(true|false)\}', table)
    if len(rows) != table.count('{"'):
        raise ValueError("producer/routes.c: a row of the table has another form than expected")
    return {(method, path): (handler, is_open == "true")
            for method, path, handler, is_open in rows}


def camel_case(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def check_handlers(openapi, table):
    """operationId is the handler's name; what needs no log-on is said so."""
    found = []
    for method, path, operation in operations(openapi):
        handler, is_open = table.get((method, path), ("", False))
        if operation["operationId"] != camel_case(handler):
            found.append(f"{method} {path}: operationId is not {camel_case(handler)}")
        if (operation.get("security") == []) != is_open:
            found.append(f"{method} {path}: security differs from the table's `open`")
        if not is_open and not {"401", "503"} <= set(operation["responses"]):
            found.append(f"{method} {path}: 401 and 503 are not told")
        if not {"200", "default"} <= set(operation["responses"]):
            found.append(f"{method} {path}: 200 and default are not told")
    return found


def parameters_of(openapi, operation, where):
    named = [deref(openapi, p) for p in operation.get("parameters", [])]
    return {p["name"] for p in named if p["in"] == where}


def check_path_parameters(openapi):
    found = []
    for method, path, operation in operations(openapi):
        wanted = set(re.findall(r"\{(\w+)\}", path))
        if parameters_of(openapi, operation, "path") != wanted:
            found.append(f"{method} {path}: parameters in the path are {sorted(wanted)}")
    return found


def check_query_parameters(openapi):
    read = set()
    for file in sorted((ROOT / "producer").glob("*.c")):
        text = file.read_text(encoding="utf-8")
        read |= set(re.findall(r'(?:query_(?:text|number)|call_query)\(\s*c,\s*"(\w+)"', text))
    told = set()
    for _, _, operation in operations(openapi):
        told |= parameters_of(openapi, operation, "query")
    return differ("openapi.json", read, told)


def check_limits(openapi):
    """Numbers the programs hold as constants."""
    schemas = openapi["components"]["schemas"]
    parameters = openapi["components"]["parameters"]
    told = {
        "PORT_MIN": schemas["BatchAdd"]["properties"]["sqlPort"]["minimum"],
        "PORT_MAX": schemas["BatchAdd"]["properties"]["sqlPort"]["maximum"],
        "HOSTS_MAX": schemas["BatchAdd"]["properties"]["hostIds"]["maxItems"],
        "REQUEST_TASKS_MAX": schemas["SubmitTemplate"]["properties"]["count"]["maximum"],
        "PAGE_MAX": parameters["page"]["schema"]["maximum"],
        "PAGE_SIZE_MAX": parameters["size"]["schema"]["maximum"],
        "PAGE_SIZE_DEFAULT": parameters["size"]["schema"]["default"],
    }
    headers = "".join(source(f"producer/{h}.h") for h in ("validate", "query_params"))
    headers += source("common/message.h")
    found = []
    for name, value in told.items():
        match = re.search(rf"#define {name} (?:INT64_C\()?(\d+)", headers)
        if not match or int(match[1]) != value:
            found.append(f"{name}: the programs have {match and match[1]}, the contract {value}")
    return found


def check_states(openapi):
    """Names of states and operations, against the one table of common/state.c."""
    text = source("common/state.c")
    found = []
    for schema in ("TaskState", "SubtaskState", "Operation"):
        for name in openapi["components"]["schemas"][schema]["enum"]:
            if f'"{name}"' not in text:
                found.append(f"{schema} {name} is not in common/state.c")
    return found


OPENAPI_MEMBERS = {
    "document": {"openapi", "info", "servers", "security", "tags", "paths", "components"},
    "operation": {"operationId", "tags", "summary", "description", "security", "parameters",
                  "requestBody", "responses"},
    "response": {"description", "headers", "content"},
    "parameter": {"name", "in", "required", "description", "schema"},
    "media": {"schema", "examples"},
}


def check_members(openapi):
    members = OPENAPI_MEMBERS
    found = unknown_members(openapi, "#", members["document"])
    places = list(openapi["components"]["responses"].values())
    for method, path, operation in operations(openapi):
        found += unknown_members(operation, f"{method} {path}", members["operation"])
        places += operation["responses"].values()
        places += [operation["requestBody"]] if "requestBody" in operation else []
    for place in places:
        if "$ref" in place:
            continue
        found += unknown_members(place, str(place)[:60], members["response"] | {"required"})
        for media in place.get("content", {}).values():
            found += unknown_members(media, str(place)[:60], members["media"])
    for name, parameter in openapi["components"]["parameters"].items():
        found += unknown_members(parameter, name, members["parameter"])
    return found


def all_schemas(openapi):
    yield from openapi["components"]["schemas"].items()
    for place, value in walk(openapi):
        if place.endswith("/schema"):
            yield place, value


def check_schemas(openapi):
    found = []
    for place, schema in all_schemas(openapi):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            found.append(f"{place}: {error.message}")
        for inner, value in walk(schema, place):
            if isinstance(value, dict) and isinstance(value.get("properties"), dict):
                found += [f"{inner}: {name} is required and not told"
                          for name in value.get("required", []) if name not in value["properties"]]
    return found


def check_examples(openapi):
    found = []
    for method, path, operation in operations(openapi):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for name, example in media["examples"].items():
                found += [f"{method} {path} {name}: {line}"
                          for line in faults(openapi, media["schema"], example["value"])]
    return found


def request_schema(openapi, path):
    content = openapi["paths"][path]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"]


def answer_schema(openapi, path):
    response = openapi["paths"][path]["post"]["responses"]["200"]
    return response["content"]["application/json"]["schema"]


def changed(value, *keys, to=None, drop=False):
    """A copy in which the member that the keys lead to is another, or away."""
    value = copy.deepcopy(value)
    inner = value
    for key in keys[:-1]:
        inner = inner[key]
    if drop:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = to
    return value


def check_refusals(openapi, request, answer):
    """What is not as the contract says does not pass."""
    task = ("data", "contents", 0)
    subtask = (*task, "subtasks", 0)
    bad_requests = [changed(request, name, drop=True) for name in request] + [
        changed(request, "sqlPort", to="2883"), changed(request, "sqlPort", to=1024),
        changed(request, "exporterPort", to=True), changed(request, "exporterPort", to=2884.5),
        changed(request, "hostIds", to=[]), changed(request, "hostIds", to=[2, 2]),
        changed(request, "hostIds", to=[0]), changed(request, "hostIds", to=list(range(1, 1002))),
        changed(request, "version", to=None)]
    bad_answers = [changed(answer, name, drop=True) for name in answer] + [
        changed(answer, *task, name, drop=True)
        for name in ("context", "creator", "id", "subtasks", "type")] + [
        changed(answer, *subtask, name, drop=True) for name in ("className", "status", "timeout")]
    bad_answers += [
        changed(answer, "more", to=1), changed(answer, *task, "more", to=1),
        changed(answer, *subtask, "more", to=1), changed(answer, "data", "page", to={}),
        changed(answer, *subtask, "status", to="WAITING"),
        changed(answer, *task, "context", "stringMap", "host_id", to=2),
        changed(answer, "timestamp", to="2021-09-03T16:25:08"),
        changed(answer, "traceId", to="D6A13AB4F2DE4C4B")]
    found = [f"request passes: {json.dumps(bad)[:200]}" for bad in bad_requests
             if not faults(openapi, request_schema(openapi, BATCH_ADD), bad)]
    return found + [f"answer {number} passes" for number, bad in enumerate(bad_answers)
                    if not faults(openapi, answer_schema(openapi, BATCH_ADD), bad, closed=True)]


def check_openapi(tap):
    openapi = load("schema/openapi.json")
    table = routes()
    request = load("tests/fixtures/seed/request.json")
    answer = load("tests/fixtures/seed/response.json")
    told = {(method, path) for method, path, _ in operations(openapi)}
    version = [openapi["openapi"], openapi["info"]["version"]]
    tap.check("openapi: version", [] if version == ["3.1.0", program_version()] else str(version))
    tap.check("openapi: members are OpenAPI's", check_members(openapi))
    tap.check("openapi: every $ref leads somewhere", dangling(openapi))
    tap.check("openapi: every component is used", unused(openapi))
    tap.check("openapi: schemas are JSON Schema", check_schemas(openapi))
    tap.check("openapi: routes are the producer's", differ("openapi.json", set(table), told))
    tap.check("openapi: handlers, log-on and refusals", check_handlers(openapi, table))
    tap.check("openapi: parameters in paths", check_path_parameters(openapi))
    tap.check("openapi: query parameters are those read", check_query_parameters(openapi))
    tap.check("openapi: limits are the programs'", check_limits(openapi))
    tap.check("openapi: states and operations", check_states(openapi))
    tap.check("openapi: examples fit", check_examples(openapi))
    tap.check("openapi: the seed request fits",
              faults(openapi, request_schema(openapi, BATCH_ADD), request, closed=True))
    tap.check("openapi: the seed answer fits",
              faults(openapi, answer_schema(openapi, BATCH_ADD), answer, closed=True))
    tap.check("openapi: other requests and answers do not",
              check_refusals(openapi, request, answer))


# ---- AsyncAPI ----


def settings():
    """Environment name -> default, of common/settings.def."""
    return dict(re.findall(r'SETTING\(\w+, "(\w+)", \w+, "([^"]*)"', source("common/settings.def")))


def value_of(defaults, value):
    return defaults.get(value, value)


def check_topic(asyncapi, topic, channel, defaults):
    found = []
    name = topic["name"]
    kafka = channel["bindings"]["kafka"]
    partitions = int(value_of(defaults, topic["partitions"]))
    if kafka["partitions"] != partitions:
        found.append(f"{name}: {partitions} partitions by default, not {kafka['partitions']}")
    config = {key: value_of(defaults, value) for key, value in topic["config"].items()}
    told = {key: value[0] if isinstance(value, list) else str(value)
            for key, value in kafka["topicConfiguration"].items()}
    if config != told:
        found.append(f"{name}: its properties are {config}, not {told}")
    if channel["x-obpipe-durable"] != topic["durable"]:
        found.append(f"{name}: durable is {topic['durable']}")
    wanted = set(re.findall(r"\{(\w+)\}", channel["address"]))
    if set(channel["parameters"]) != wanted:
        found.append(f"{name}: parameters in the address are {sorted(wanted)}")
    for message in channel["messages"].values():
        key = deref(asyncapi, deref(asyncapi, message)["bindings"]["kafka"]["key"])
        words = {"request id": "request id", "task id": "task id", "as received": "as received"}
        if words[topic["key"]] not in key["description"].lower():
            found.append(f"{name}: its key is the {topic['key']}, not: {key['description']}")
    return found


def by_topic(asyncapi):
    """Name as in topics.json -> channel."""
    return {channel["address"].removeprefix("{prefix}").replace("{type}", "*"): channel
            for channel in asyncapi["channels"].values()}


def check_topics(asyncapi):
    topics = {topic["name"]: topic for topic in load("schema/topics.json")["topics"]}
    channels = by_topic(asyncapi)
    found = differ("asyncapi.json", set(topics), set(channels))
    defaults = settings()
    for name in sorted(set(topics) & set(channels)):
        found += check_topic(asyncapi, topics[name], channels[name], defaults)
    prefix = asyncapi["components"]["parameters"]["prefix"]["default"]
    if prefix != defaults["OBPIPE_TOPIC_PREFIX"]:
        found.append(f"the prefix is {defaults['OBPIPE_TOPIC_PREFIX']}, not {prefix}")
    return found


def check_types(asyncapi):
    names = set(re.findall(r'SUBTASK_TYPE\(\w+, "([^"]+)"\)',
                           source("workers/subtasks/registry.def")))
    told = asyncapi["components"]["parameters"]["type"]["examples"]
    return [f"{name} is no subtask type" for name in told if name not in names]


def check_operations(asyncapi):
    found = []
    sent = set()
    for name, operation in asyncapi["operations"].items():
        channel = operation["channel"]["$ref"]
        if operation["action"] == "send":
            sent.add(channel)
        elif operation["action"] != "receive":
            found.append(f"{name}: action is send or receive")
        found += [f"{name}: {message['$ref']} is not of its channel"
                  for message in operation["messages"]
                  if not message["$ref"].startswith(f"{channel}/messages/")]
    found += [f"nothing sends to {name}" for name in asyncapi["channels"]
              if f"#/channels/{name}" not in sent]
    return found


def check_payloads(asyncapi):
    """Each schema of schema/messages is the payload of one message."""
    found = []
    told = []
    for name, message in asyncapi["components"]["messages"].items():
        payload = message["payload"]
        if name == "deadLetter":
            continue
        if payload.get("schemaFormat") != SCHEMA_FORMAT:
            found.append(f"{name}: schemaFormat is {SCHEMA_FORMAT}")
        told.append(payload["schema"]["$ref"])
        if "headers" in message:
            Draft202012Validator.check_schema(message["headers"])
    there = {f"messages/{path.name}" for path in (ROOT / "schema/messages").glob("*.schema.json")}
    if len(told) != len(set(told)):
        found.append("two messages have one payload")
    return found + differ("asyncapi.json", there, set(told))


def message_faults(schema, value):
    """By the schema as it is: its own $defs are what its $ref names."""
    validator = Validator(schema)
    return [f"{e.json_path}: {e.message:.300}" for e in validator.iter_errors(value)]


def check_samples(asyncapi, name):
    """Samples of a message by way of AsyncAPI's $ref; keys by what the samples themselves name."""
    message = asyncapi["components"]["messages"][name]
    schema = deref(asyncapi, message["payload"]["schema"])
    key_schema = message["bindings"]["kafka"]["key"]
    found = []
    samples = sorted((ROOT / "schema/messages/samples" / name).glob("valid-*.json"))
    for path in samples:
        value = json.loads(path.read_text(encoding="utf-8"))
        found += [f"{path.name}: {line}" for line in message_faults(schema, value)]
        key = value.get("request_id") or value.get("subject") or str(value.get("task_id"))
        found += [f"{path.name}, key {key}: {line}" for line in faults(asyncapi, key_schema, key)]
    if not faults(asyncapi, key_schema, "no such key"):
        found.append("any key fits")
    return found if samples else f"there is no sample of {name}"


def check_asyncapi(tap):
    asyncapi = load("schema/asyncapi.json")
    version = [asyncapi["asyncapi"], asyncapi["info"]["version"]]
    tap.check("asyncapi: version", [] if version == ["3.0.0", program_version()] else str(version))
    tap.check("asyncapi: members are AsyncAPI's", unknown_members(asyncapi, "#", {
        "asyncapi", "info", "servers", "defaultContentType", "channels", "operations",
        "components"}))
    tap.check("asyncapi: every $ref leads somewhere", dangling(asyncapi))
    tap.check("asyncapi: every component is used", unused(asyncapi))
    tap.check("asyncapi: topics are those of topics.json", check_topics(asyncapi))
    tap.check("asyncapi: subtask types named are there", check_types(asyncapi))
    tap.check("asyncapi: operations", check_operations(asyncapi))
    tap.check("asyncapi: every message schema is a payload", check_payloads(asyncapi))
    for name in asyncapi["components"]["messages"]:
        if name != "deadLetter":
            tap.check(f"asyncapi: samples and keys of {name}", check_samples(asyncapi, name))


def main():
    tap = Tap()
    check_openapi(tap)
    check_asyncapi(tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
