"""OCI images from folders, Debian packages and hashed wheels: no Docker daemon, no base image, no root."""
