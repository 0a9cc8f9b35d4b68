# SPDX-License-Identifier: BSD-2-Clause
"""Judges configurations by dist/kedge.schema.json, as an editor does: with YAML 1.2, where on and off are texts."""
import json
import re

import jsonschema
import yaml

from machine import ROOT

SCHEMA = ROOT / "dist/kedge.schema.json"


class Loader(yaml.SafeLoader):  # pylint: disable=too-many-ancestors
    """The scalars of YAML 1.2's core schema, but for null: an empty value is a text to kedge, too."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (("bool", r"true|false", "tf"), ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
                            ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789")):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})$"), list(first))


def whole(loader, node):
    """0660 is octal in YAML 1.1 alone."""
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


Loader.add_constructor("tag:yaml.org,2002:int", whole)
Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def load(text):
    return yaml.load(text, Loader)


def faults(text):
    """One line for each place of a YAML text that the schema does not allow."""
    judge = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in judge.iter_errors(load(text) or {})]
