"""What a wheel holds beside what pyproject.toml says: files of the clone that the command reads."""

from setuptools import find_packages, setup

FILES = ("compositions", "package", "requirements", "xrds")
"""Folders of the clone; in a wheel they stand in tools/files."""

setup(
    packages=[
        *find_packages(include=["agent", "functions", "functions.*", "tools", "tools.*"]),
        *(f"tools.files.{name}" for name in FILES),
    ],
    package_dir={f"tools.files.{name}": name for name in FILES},
    package_data={
        "": ["*.json", "*.tsv", "*.toml", "*.yaml", "*/*.yaml", "*.j2", "*.lua"],
        "tools": ["templates/*", "go/admission/*", "go/crossplane-core/*"],
        "tools.files.requirements": ["go.txt"],
    },
)
