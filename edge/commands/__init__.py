"""What `edge-listen` does, one command a module, each with `run(args) -> exit code`."""
