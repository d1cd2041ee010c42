"""docker-compose.yml, deploy/Dockerfile and what they rest on, read for a check."""
import functools
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

import yaml

from contracts import ROOT

PROGRAM_LETTERS = {"obpipe-producer": "P", "obpipe-worker": "W", "obpipe": "C"}
# What the images of others bring; taken from their own build files.
FOREIGN_COMMANDS = {
    "postgres:15-bookworm": {"postgres", "pg_isready", "sh", "bash"},
    "apache/kafka:4.3.1": {"/opt/kafka/bin/kafka-broker-api-versions.sh", "sh", "bash"},
}
DEBIAN_COMMANDS = {"curl": "curl"}  # command: the package it comes from
BASE_COMMANDS = {"sh", "bash", "true"}  # of debian:12


def source(path):
    return (ROOT / path).read_text(encoding="utf-8")


def seconds(text):
    match = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", str(text))
    if not match or not match[0]:
        raise ValueError(f"{text} is no duration")
    return int(match[1] or 0) * 60 + int(match[2] or 0)


class World:
    """The files under check, so that a test can change one of them."""

    def __init__(self):
        self.compose = yaml.safe_load(source("docker-compose.yml"))
        self.dockerfile = source("deploy/Dockerfile")
        self.readme = source("README.md")

    @property
    def services(self):
        return self.compose["services"]

    def instructions(self):
        """(instruction, arguments) of the Dockerfile, lines that go on joined."""
        lines = [line for line in self.dockerfile.splitlines() if not line.startswith("#")]
        joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
        return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]

    def stages(self):
        """[(name, [(instruction, arguments)])]; the last one is the image."""
        stages = []
        for instruction, arguments in self.instructions():
            if instruction == "FROM":
                name = re.search(r" AS (\w+)$", arguments)
                stages.append((name[1] if name else "", []))
            stages[-1][1].append((instruction, arguments))
        return stages

    def last(self, instruction):
        found = [arguments for name, arguments in self.stages()[-1][1] if name == instruction]
        return found[-1] if found else ""


def is_ours(service):
    return "build" in service


def settings():
    """Name -> (type, min, max, programs) of common/settings.def."""
    rows = re.findall(r'SETTING\(\w+, "(\w+)", (\w+), "[^"]*", (-?\d+), (\d+),\s*([PWC| ]+),',
                      source("common/settings.def"))
    if len(rows) != source("common/settings.def").count('\nSETTING('):
        raise ValueError("common/settings.def: a row has another form than expected")
    return {name: (kind, int(low), int(high), set(programs) & set("PWC"))
            for name, kind, low, high, programs in rows}


def words_of(command):
    """The programs a command calls, one inside sh -c too."""
    if isinstance(command, str):
        command = shlex.split(command)
    if command[:2] in (["sh", "-c"], ["bash", "-c"]):
        script = [shlex.split(part) for part in re.split(r"&&|\|\||;|\|", command[2])]
        return [command[0]] + [next(w for w in words if "=" not in w) for words in script]
    return command[:1]


def runtime_packages():
    lines = [line.partition("#")[0].strip()
             for line in source("deploy/packages-runtime.txt").splitlines()]
    return {line for line in lines if line}


@functools.cache
def installed_programs():
    """What `make install` puts where, as make itself says."""
    with tempfile.TemporaryDirectory() as folder:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
        clean.pop("SANITIZE", None)
        text = subprocess.run(["make", "-n", "install", f"DESTDIR={folder}", f"BUILD={folder}/b"],
                              cwd=ROOT, env=clean, check=True, capture_output=True,
                              text=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("install -D -t "))
    _, _, _, target, *files = shlex.split(line)
    return target.removeprefix(folder), {pathlib.Path(file).name for file in files}


def own_commands(world):
    folder, programs = installed_programs()
    commands = BASE_COMMANDS | {c for c, package in DEBIAN_COMMANDS.items()
                                if package in runtime_packages()}
    if folder == "/usr/local/bin":  # on the PATH of debian:12
        commands |= programs
    for instruction, arguments in world.stages()[-1][1]:
        if instruction == "COPY" and arguments.split()[-1].startswith("/usr/local/bin/"):
            commands.add(pathlib.Path(arguments.split()[-1]).name)
    return commands
