"""What is shipped to agents: the files of a run as one archive, and the packages that they need.

`pack` makes an archive on the runner's machine, `unpack` opens it on the agent's, `cache` keeps archives and what was
unpacked, `requirements` and `environment` are about packages that pip installs. Nothing here imports user code, and
nothing here knows of connections: whoever moves the pieces of an archive asks for them by offset.

All of it is plain blocking code that a caller runs in a thread, but for `environment.prepare`, which waits for pip.
"""
