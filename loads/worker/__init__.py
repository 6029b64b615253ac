"""One worker process: the only place where user code is imported and run, and the only gevent process."""
