#!/usr/bin/env python3
"""Checks docker-compose.yml, deploy/Dockerfile and what they name, without a Docker engine.

Each check is also shown a changed file in which it must find the fault. Prints TAP lines.
"""
import copy
import fnmatch
import os
import pathlib
import re
import subprocess
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
# pylint: disable=wrong-import-position
from compose_files import (FOREIGN_COMMANDS, PROGRAM_LETTERS, World, is_ours, own_commands,
                           runtime_packages, seconds, settings, source, words_of)
from contracts import ROOT, Tap

USER_MADE = "./.run/compose/"  # the README says how
DRAIN_MARGIN_S = 15


# ---- settings ----


def setting_fault(table, name, value, programs):
    base = name.removesuffix("_FILE")
    if base not in table:
        return f"{name} is no setting"
    kind, low, high, readers = table[base]
    if not readers & programs:
        return f"{name} is read by none of {sorted(programs)}"
    if name != base:
        return ""
    size = int(value) if kind == "INT" else len(value)
    return "" if low <= size <= high else f"{name}={value}: allowed is {low} to {high}"


def check_settings(world):
    table = settings()
    found = []
    for name, service in world.services.items():
        if not is_ours(service):
            continue
        programs = {PROGRAM_LETTERS[w] for w in words_of(service["command"])
                    if w in PROGRAM_LETTERS}
        faults = [setting_fault(table, key, str(value), programs)
                  for key, value in service["environment"].items() if key.startswith("OBPIPE_")]
        found += [f"{name}: {fault}" for fault in faults if fault]
    for line in re.findall(r"OBPIPE_\w+", world.dockerfile):
        if line not in table:
            found.append(f"Dockerfile: {line} is no setting")
    return found


# ---- secrets ----


def check_secrets(world):
    found = []
    text = yaml.safe_dump(world.compose)
    for pattern in (r"://[^/\s:]+:[^@\s]+@", r"\bpassword=\S+", r"PASSWORD[^}\s]*:-"):
        found += [f"a secret in the file: {hit}" for hit in re.findall(pattern, text)]
    for name, service in world.services.items():
        for key, value in service.get("environment", {}).items():
            if not re.search("PASSWORD|SECRET|TOKEN", key):
                continue
            secret = str(value).removeprefix("/run/secrets/")
            if not key.endswith("_FILE") or secret == str(value):
                found.append(f"{name}: {key} must be a file of /run/secrets")
            elif secret not in service.get("secrets", []):
                found.append(f"{name}: {key} names a secret the service is not given")
            elif "file" not in world.compose["secrets"].get(secret, {}):
                found.append(f"{name}: secret {secret} has no file")
    return found


# ---- files ----


def mounts(world):
    """(service, source, target) of every volume."""
    for name, service in world.services.items():
        for volume in service.get("volumes", []):
            origin, target, *_ = volume.split(":")
            yield name, origin, target


def user_made(world):
    paths = {origin for _, origin, _ in mounts(world) if origin.startswith(".")}
    return paths | {secret["file"] for secret in world.compose["secrets"].values()}


def check_files(world):
    """What is named is there, or is the user's to make and the README says so."""
    found = []
    for path in sorted(user_made(world)):
        if not path.startswith(USER_MADE):
            if not (ROOT / path).exists():
                found.append(f"{path} is not there")
        elif path.removeprefix("./") not in world.readme:
            found.append(f"the README does not say how to make {path}")
    for name, origin, _ in mounts(world):
        if not origin.startswith(".") and origin not in world.compose["volumes"]:
            found.append(f"{name}: volume {origin} is not declared")
    for name, service in world.services.items():
        if is_ours(service):
            build = service["build"]
            if not (ROOT / build["context"] / build["dockerfile"]).is_file():
                found.append(f"{name}: {build['dockerfile']} is not there")
    return found


# ---- order and health ----


def check_order(world):
    """Dependencies name services, form no cycle, and wait for something that can come."""
    found = []
    done = set()

    def visit(name, path):
        if name in path:
            found.append(" needs ".join([*path[path.index(name):], name]))
            return
        for other in world.services.get(name, {}).get("depends_on", {}):
            if other not in done:
                visit(other, [*path, name])
        done.add(name)

    for name, service in world.services.items():
        visit(name, [])
        for other, how in service.get("depends_on", {}).items():
            target = world.services.get(other)
            condition = how["condition"]
            if target is None:
                found.append(f"{name} depends on {other}, which is not there")
            elif condition == "service_healthy" and "test" not in target.get("healthcheck", {}):
                found.append(f"{name} waits for the health of {other}, which has no check")
            elif condition == "service_completed_successfully" and target["restart"] != "no":
                found.append(f"{name} waits for the end of {other}, which restarts")
    for name in ("producer", "worker"):
        if list(world.services[name].get("depends_on", {})) != ["migrate"]:
            found.append(f"{name} must depend on migrate")
    return found


def health_words(test):
    if test[0] == "CMD-SHELL":
        return words_of(["sh", "-c", test[1]])
    return words_of(test[1:]) if test[0] == "CMD" else []


def check_commands(world):
    """What is called is in the image: commands, health checks, entry point."""
    found = []
    ours = own_commands(world)
    for name, service in world.services.items():
        there = ours if is_ours(service) else FOREIGN_COMMANDS.get(service["image"], set())
        called = words_of(service["command"]) if "command" in service else []
        called += health_words(service.get("healthcheck", {}).get("test", ["NONE"]))
        found += [f"{name}: {word} is not in {service['image']}"
                  for word in called if word not in there]
    health = re.search(r"CMD (\[.*\])", world.last("HEALTHCHECK"))
    for what, words in (("HEALTHCHECK", health[1] if health else "[]"),
                        ("ENTRYPOINT", world.last("ENTRYPOINT")), ("CMD", world.last("CMD"))):
        words = yaml.safe_load(words or "[]")
        if not words or words[0] not in ours:
            found.append(f"Dockerfile: {what} calls {words[:1]}, which is not in the image")
    return found


def health_port(test):
    match = re.search(r"127\.0\.0\.1:(\d+)/readyz", " ".join(test))
    return match[1] if match else None


def check_health(world):
    found = []
    for name, service in world.services.items():
        health = service.get("healthcheck", {})
        if service["restart"] == "no":
            if health != {"disable": True}:
                found.append(f"{name} ends by itself: its health check must be disabled")
            continue
        for key in ("test", "interval", "timeout", "retries", "start_period"):
            if key not in health:
                found.append(f"{name}: its health check has no {key}")
        if is_ours(service):
            listen = [str(v) for k, v in service["environment"].items() if k.endswith("_LISTEN")]
            if [health_port(health.get("test", []))] != [v.split(":")[1] for v in listen]:
                found.append(f"{name}: its health check asks another port than {listen}")
    return found


def check_stopping(world):
    """Whoever drains is given the time, and somebody starts it again."""
    found = []
    drain = int(world.services["worker"]["environment"]["OBPIPE_DRAIN_TIMEOUT_MS"]) / 1000
    for name, service in world.services.items():
        if service["restart"] == "no":
            continue
        if service["restart"] != "unless-stopped":
            found.append(f"{name}: restart is {service['restart']}")
        least = drain + DRAIN_MARGIN_S if name == "worker" else 20
        if seconds(service.get("stop_grace_period", "10s")) < least:
            found.append(f"{name}: stop_grace_period must be {least} s or more")
    return found


# ---- safety ----


def check_safety(world):
    found = []
    text = yaml.safe_dump(world.compose)
    for word in ("privileged", "network_mode", "docker.sock", "cap_add", "pid: host", ":latest"):
        if word in text or word in world.dockerfile:
            found.append(f"{word} is used")
    for name, service in world.services.items():
        if not re.search(r":\d", service["image"].rpartition("/")[2]):
            found.append(f"{name}: image {service['image']} has no version")
        if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
            found.append(f"{name}: no limit of memory")
        if is_ours(service) and not (
                service.get("cap_drop") == ["ALL"] and service.get("read_only") is True and
                service.get("security_opt") == ["no-new-privileges:true"]):
            found.append(f"{name}: must drop capabilities and be read-only")
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                found.append(f"{name}: port {port} is open to others")
    for key in ("container_name", "ports", "hostname"):
        if key in world.services["worker"]:
            found.append(f"worker: {key} stands in the way of --scale")
    return found


# ---- the same settings as the local stack's ----


def check_kafka(world):
    environment = {k: str(v) for k, v in world.services["kafka"]["environment"].items()}
    told = {key.removeprefix("KAFKA_").replace("_", ".").lower(): value
            for key, value in environment.items() if key.startswith("KAFKA_")}
    wanted = dict(line.split("=", 1)
                  for line in source("deploy/kafka/server.properties.in").splitlines()
                  if "=" in line and not line.startswith("#"))
    found = []
    for key, value in wanted.items():
        if key not in told:
            found.append(f"{key} is missing")
        elif "@" not in value.replace("1@127", "") and told[key] != value:
            found.append(f"{key} is {value} in the local stack, not {told[key]}")
    more = set(told) - set(wanted) - {"heap.opts", "jvm.performance.opts"}
    found += [f"{key} is not in the local stack's file" for key in sorted(more)]
    version = re.search(r"<kafka.version>([^<]+)<", source("deploy/kafka/pom.xml"))[1]
    if world.services["kafka"]["image"] != f"apache/kafka:{version}":
        found.append(f"the local stack's Kafka is {version}")
    address = told["advertised.listeners"].partition("://")[2]
    for name in ("migrate", "producer", "worker"):
        if world.services[name]["environment"]["OBPIPE_KAFKA_BROKERS"] != address:
            found.append(f"{name}: Kafka says it is at {address}")
    return found


def check_postgres(world):
    wanted = dict(re.findall(r"^(\w+) = '?([^'\n]*)'?$",
                             source("deploy/stack/postgresql.conf.in"), re.M))
    told = dict(word.removeprefix("-c").split("=", 1)
                for word in world.services["postgres"]["command"][1:])
    found = [f"{key} is {wanted.get(key)} in the local stack, not {value}"
             for key, value in told.items() if wanted.get(key) != value]
    found += [f"{key} must be on" for key in ("fsync", "synchronous_commit", "full_page_writes")
              if told.get(key) != "on"]
    if "postgresql-15" not in source("deploy/packages.txt") or \
            not world.services["postgres"]["image"].startswith("postgres:15-"):
        found.append("the local stack's PostgreSQL is 15")
    return found


def check_version(world):
    version = re.search(r'#define VERSION "([^"]+)"', source("producer/api_meta.c"))[1]
    return [f"{name}: image {service['image']}, the programs are {version}"
            for name, service in world.services.items()
            if is_ours(service) and service["image"] != f"obpipe:{version}"]


# ---- Dockerfile ----


def is_ignored(path, patterns):
    """As .dockerignore has it: the last pattern that matches the path or a folder of it."""
    ignored = False
    parents = [path, *(str(p) for p in pathlib.PurePath(path).parents if str(p) != ".")]
    for pattern in patterns:
        if any(fnmatch.fnmatch(p, pattern.removeprefix("!")) for p in parents):
            ignored = not pattern.startswith("!")
    return ignored


def copies(world):
    """(stage, from, [sources], target)."""
    for name, instructions in world.stages():
        for instruction, arguments in instructions:
            if instruction in ("COPY", "ADD"):
                words = arguments.split()
                origin = words[0].removeprefix("--from=") if words[0].startswith("--") else ""
                files = words[1:] if origin else words
                yield name, origin, files[:-1], files[-1]


def check_copies(world):
    patterns = [line for line in source(".dockerignore").splitlines()
                if line and not line.startswith("#")]
    names = {name for name, _ in world.stages()}
    found = []
    for _, origin, files, _ in copies(world):
        if origin and origin not in names:
            found.append(f"COPY --from={origin}: there is no such stage")
        for file in files if not origin else []:
            if not (ROOT / file).exists():
                found.append(f"COPY {file}: it is not there")
            elif is_ignored(file, patterns):
                found.append(f"COPY {file}: .dockerignore leaves it out")
    for path in (".run", ".git", "build"):
        if not is_ignored(path, patterns):
            found.append(f"{path} must stay out of the build")
    return found


def check_dockerfile(world):
    found = []
    names = [name for name, _ in world.stages()]
    for _, instructions in world.stages():
        image = instructions[0][1].split()[0]
        if image != "debian:12":
            found.append(f"FROM {image}: the base is debian:12")
    if len(names) < 2:
        found.append("there must be a stage that builds and one that runs")
    if "make" not in world.dockerfile or "install DESTDIR=" not in world.dockerfile:
        found.append("it must be built by make install DESTDIR=")
    user = world.last("USER")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        found.append(f"USER {user}: a number other than root's")
    elif f"--uid {user.split(':', maxsplit=1)[0]} " not in world.dockerfile:
        found.append(f"USER {user} is not made")
    if [i for i, _ in world.instructions() if i == "ADD"]:
        found.append("ADD is used")
    for line in re.findall(r"apt-get install[^&]*", world.dockerfile):
        if "--no-install-recommends" not in line:
            found.append("apt-get install without --no-install-recommends")
    if not os.access(ROOT / "deploy/entrypoint", os.X_OK):
        found.append("deploy/entrypoint is not executable")
    return found


def check_packages(world):
    """The build stage's sed finds compiler and libraries; what runs has no headers."""
    script = re.search(r"sed -n '([^']+)' deploy/packages.txt", world.dockerfile)
    text = subprocess.run(["sed", "-n", script[1], str(ROOT / "deploy/packages.txt")], check=True,
                          capture_output=True, text=True).stdout if script else ""
    build = {line.partition("#")[0].strip() for line in text.splitlines()} - {""}
    wanted = {"gcc", "make", "pkg-config", "libpq-dev", "librdkafka-dev", "libssh-dev",
              "libmicrohttpd-dev", "libjansson-dev", "libcurl4-openssl-dev"}
    found = [f"the build stage lacks {package}" for package in sorted(wanted - build)]
    found += [f"{package} is for building" for package in sorted(runtime_packages())
              if package.endswith("-dev") or package == "gcc"]
    for name in ("packages.txt", "packages-runtime.txt"):
        if f"deploy/{name}" not in world.dockerfile:
            found.append(f"the Dockerfile does not use deploy/{name}")
    return found


CHECKS = {
    "settings are settings, of that program, in range": check_settings,
    "no secret stands in a file, each comes from /run/secrets": check_secrets,
    "files named are there": check_files,
    "dependencies": check_order,
    "commands are in their images": check_commands,
    "health checks": check_health,
    "stopping and restarting": check_stopping,
    "no latest, nothing privileged, nothing open": check_safety,
    "Kafka is set as in the local stack": check_kafka,
    "PostgreSQL is set as in the local stack": check_postgres,
    "image version": check_version,
    "Dockerfile: copies": check_copies,
    "Dockerfile: stages, user, base": check_dockerfile,
    "Dockerfile: packages": check_packages,
}


# ---- faults that must be found ----


def put(*keys):
    """A change of the compose file: the member that all keys but the last lead to is the last."""
    def change(world):
        inner = world.compose
        for key in keys[:-2]:
            inner = inner[key]
        if keys[-1] is None:
            del inner[keys[-2]]
        else:
            inner[keys[-2]] = keys[-1]
    return change


def swap(old, new):
    def change(world):
        if old not in world.dockerfile:
            raise ValueError(f"the Dockerfile has no {old}")
        world.dockerfile = world.dockerfile.replace(old, new)
    return change


WORKER = ("services", "worker")
PRODUCER = ("services", "producer")
FAULTS = [
    (check_settings, put(*WORKER, "environment", "OBPIPE_SLOT", "16")),
    (check_settings, put(*WORKER, "environment", "OBPIPE_SLOTS", "1001")),
    (check_settings, put(*WORKER, "environment", "OBPIPE_HTTP_LISTEN", "0.0.0.0:1")),
    (check_settings, swap("OBPIPE_HTTP_LISTEN", "OBPIPE_LISTEN")),
    (check_secrets, put(*PRODUCER, "environment", "OBPIPE_PG_DSN", "postgres://a:b@postgres/c")),
    (check_secrets, put(*PRODUCER, "environment", "OBPIPE_PG_DSN", "host=a password=b")),
    (check_secrets, put("services", "postgres", "environment", "POSTGRES_PASSWORD", "x")),
    (check_secrets, put(*PRODUCER, "environment", "OBPIPE_USER", "${PASSWORD:-x}")),
    (check_secrets, put(*PRODUCER, "secrets", [])),
    (check_files, put(*WORKER, "volumes", ["./no/such:/x:ro"])),
    (check_files, put(*WORKER, "volumes", ["./.run/compose/other:/x:ro"])),
    (check_files, put(*WORKER, "volumes", ["other:/x"])),
    (check_files, put(*WORKER, "build", "dockerfile", "Dockerfile")),
    (check_order, put("services", "postgres", "depends_on",
                      {"producer": {"condition": "service_healthy"}})),
    (check_order, put(*WORKER, "depends_on", None)),
    (check_order, put(*PRODUCER, "depends_on", {"other": {"condition": "service_healthy"}})),
    (check_order, put("services", "migrate", "restart", "always")),
    (check_commands, put(*WORKER, "command", ["obpipe-workers"])),
    (check_commands, put("services", "migrate", "command", ["sh", "-c", "obpipe migrate && jq"])),
    (check_commands, put(*PRODUCER, "healthcheck", "test", ["CMD", "wget", "http://x"])),
    (check_commands, swap('ENTRYPOINT ["obpipe-entrypoint"]', 'ENTRYPOINT ["/entry"]')),
    (check_commands, swap('CMD ["curl"', 'CMD ["wget"')),
    (check_health, put(*WORKER, "healthcheck", None)),
    (check_health, put(*WORKER, "environment", "OBPIPE_WORKER_HTTP_LISTEN", "0.0.0.0:9090")),
    (check_stopping, put(*WORKER, "stop_grace_period", "30s")),
    (check_stopping, put(*PRODUCER, "stop_grace_period", None)),
    (check_stopping, put(*PRODUCER, "restart", "always")),
    (check_safety, put(*WORKER, "privileged", True)),
    (check_safety, put(*WORKER, "image", "obpipe:latest")),
    (check_safety, put(*WORKER, "image", "obpipe")),
    (check_safety, put(*WORKER, "container_name", "w")),
    (check_safety, put(*WORKER, "cap_drop", None)),
    (check_safety, put(*PRODUCER, "ports", ["8080:8080"])),
    (check_kafka, put("services", "kafka", "environment", "KAFKA_NUM_IO_THREADS", "8")),
    (check_kafka, put("services", "kafka", "environment", "KAFKA_AUTO_CREATE_TOPICS_ENABLE", None)),
    (check_kafka, put("services", "kafka", "environment", "KAFKA_LOG_FLUSH", "1")),
    (check_kafka, put("services", "kafka", "image", "apache/kafka:4.3.0")),
    (check_kafka, put(*WORKER, "environment", "OBPIPE_KAFKA_BROKERS", "kafka:9093")),
    (check_postgres, put("services", "postgres", "command", ["postgres", "-cfsync=off"])),
    (check_version, put(*WORKER, "image", "obpipe:0.0.9")),
    (check_copies, swap("COPY cli cli", "COPY client client")),
    (check_copies, swap("COPY cli cli", "COPY tests tests")),
    (check_copies, swap("--from=build", "--from=builder")),
    (check_dockerfile, swap("USER 10001:10001", "USER root")),
    (check_dockerfile, swap("USER 10001:10001", "USER 10002:10002")),
    (check_dockerfile, swap("FROM debian:12 AS build", "FROM debian:latest AS build")),
    (check_packages, swap("/^# compiler/,/^$/p", "/^# unit/,/^$/p")),
]


def misses():
    """Changed files in which a check found nothing."""
    found = []
    world = World()
    for number, (check, change) in enumerate(FAULTS):
        changed = copy.copy(world)
        changed.compose = copy.deepcopy(world.compose)
        change(changed)
        if not check(changed):
            found.append(f"fault {number} is not found by {check.__name__}")
    return found


def main():
    tap = Tap()
    world = World()
    for name, check in CHECKS.items():
        tap.check(name, check(world))
    tap.check(f"{len(FAULTS)} faults are found", misses())
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
