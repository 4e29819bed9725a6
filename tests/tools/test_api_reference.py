"""The reference of the two claims, from a made-up XRD."""

from __future__ import annotations

from tools.api_reference import api_reference

FIELDS = {
    "size": {"type": "string", "enum": ["S", "L"], "default": "S", "description": "How large | or small."},
    "plots": {
        "type": "array",
        "description": "Where.",
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "description": "Its name."}},
            "x-kubernetes-validations": [{"rule": "true", "message": "plots have names"}],
        },
    },
    "labels": {"type": "object", "description": "More.", "additionalProperties": {"type": "string"}},
}
XRD = {
    "spec": {
        "claimNames": {"kind": "Farm"},
        "versions": [
            {
                "schema": {
                    "openAPIV3Schema": {
                        "description": "A farm.",
                        "properties": {
                            "spec": {"properties": FIELDS},
                            "status": {
                                "properties": {
                                    "conditions": {"type": "array"},
                                    "phase": {"type": "string", "description": "Now."},
                                }
                            },
                        },
                    }
                }
            }
        ],
    }
}


def test_fields_types_defaults_and_rules() -> None:
    assert api_reference([XRD]).splitlines()[3:] == [
        "## Farm",
        "A farm.",
        "",
        "### Farm spec",
        "| field | type | default | meaning |",
        "| --- | --- | --- | --- |",
        '| `size` | S \\| L | "S" | How large \\| or small. |',
        "| `plots` | list of object |  | Where. |",
        "| `plots[].name` | string | required | Its name. |",
        "| `labels` | map of string |  | More. |",
        "",
        "What an API server refuses beyond types:",
        "",
        "- `spec.plots[]`: plots have names",
        "",
        "### Farm status",
        "| field | type | meaning |",
        "| --- | --- | --- |",
        "| `phase` | string | Now. |",
    ]
