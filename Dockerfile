# The functions' image on a public base, for who needs a Dockerfile. `make packages` makes the same without Docker and
# without a base image, and makes Crossplane packages of it. Build: docker build --tag functions .
FROM docker.io/library/python:3.11-slim-bookworm AS packages
COPY requirements/functions.txt /
RUN pip install --no-cache-dir --no-compile --no-deps --require-hashes --target=/site -r /functions.txt \
 && rm -rf /site/bin

FROM gcr.io/distroless/python3-debian12:nonroot
COPY --from=packages /site /usr/lib/python3/dist-packages
COPY functions /usr/lib/python3/dist-packages/functions
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
# FUNCTION, or the first argument, says which function it serves.
ENTRYPOINT ["python3", "-m", "functions"]
