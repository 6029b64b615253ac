# Two commands: `make demo` shows a load test, `make test` runs every check. Both set up what they need, below .cache/.

PYTHON ?= python3
CACHE := .cache
DEMO := $(CACHE)/demo
TOX := $(CACHE)/tox

# What the tests start for real: command=Debian package. Debian keeps some of the commands out of the way.
PACKAGES := nginx=nginx initdb=postgresql ip=iproute2 sshd=openssh-server faketime=faketime chromium=chromium
COMMANDS := $(PATH):/usr/sbin:/sbin:$(subst $() ,:,$(wildcard /usr/lib/postgresql/*/bin))
# What is installed for the demo, but for what is built of it.
SOURCES := $(shell find loads -name '*.py') $(shell find frontend -name node_modules -prune -o -type f -print)

.PHONY: demo test test-long packages clean python

demo: $(DEMO)/ready
	$(DEMO)/bin/python examples/demo.py

test: packages $(TOX)/bin/tox
	$(TOX)/bin/tox run $(ARGS)

test-long: packages $(TOX)/bin/tox
	$(TOX)/bin/tox run -e long $(ARGS)

$(DEMO)/ready: pyproject.toml setup.py $(SOURCES) | python
	test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

$(TOX)/bin/tox: | python
	$(PYTHON) -m venv $(TOX)
	$(TOX)/bin/python -m pip install --quiet --disable-pip-version-check 'tox>=4.22'

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Loads needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }

# Installed where that is possible without asking; elsewhere the tests that need them skip and say so.
packages:
	@missing=; for pair in $(PACKAGES); do PATH="$(COMMANDS)" command -v $${pair%%=*} >/dev/null 2>&1 || missing="$$missing $${pair#*=}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
	  echo "not installed, so the tests that need them will skip:$$missing"; \
	fi

clean:
	rm -rf $(CACHE) .tox build dist docs/_build frontend/node_modules loads/web/static loads/report/static
