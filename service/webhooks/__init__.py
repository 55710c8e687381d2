"""One Git host, one file: `(headers, body, secrets)` in, a push or a refusal out, without I/O."""
