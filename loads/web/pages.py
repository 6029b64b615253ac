"""The login, the one page that all addresses show, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tornado.escape import xhtml_escape
from tornado.web import HTTPError, StaticFileHandler

from loads.web.handlers import Guarded

_FOR_ALL: Final = ("login.css", "icon.svg")
"""What the login itself shows."""
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/login.css">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
_FORM: Final = """\
{trouble}<p>Open the link that loads-web or loads-runner printed when it started, or paste the token that stands in it:
what comes after <code>token=</code>.</p>
<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" autofocus required maxlength="200">
{xsrf}
<button>Log in</button>
</form>"""
_NOT_BUILT: Final = """\
<p>The pages of this dashboard are not built. In a clone of Loads, with Node 20 or newer:</p>
<pre>pip install .</pre>
<p>or, where Loads is installed from the clone itself (<code>pip install -e</code>):</p>
<pre>cd frontend &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>Then load this page again. All else works meanwhile: <code>loads status</code>, <code>loads runs</code> and
<code>loads show</code>.</p>"""


class Login(Guarded):
    """With the link, or with a form for those who have the token alone."""

    open_to_all = True

    def prepare(self) -> None:
        # Else browsers say that the form came from nowhere ("Origin: null"), and it could not be told from another's.
        super().prepare()
        self.set_header("Referrer-Policy", "same-origin")

    def get(self) -> None:
        token = self.get_query_argument("token", "")
        if token:
            self._try(token)
        elif self.current_user is not None:
            self.redirect("/")
        else:
            self._show()

    def post(self) -> None:
        self._try(self.get_body_argument("token", ""))

    def _try(self, token: str) -> None:
        may_try = self.doors.may_try()
        if self.doors.lets_in(token):  # who has it is not kept out by those who guess
            self.let_in()
            self._lead_in()
        elif not may_try:
            self.set_header("Retry-After", "1")
            self._show("Too many wrong tokens: wait a second, and try again.", 429)
        else:
            self._show("That is not the token. Each start of loads-web prints the link again.", 403)

    def _lead_in(self) -> None:
        """To the dashboard, with the cookie.

        A cookie that is SameSite=Strict does not follow a redirect for which a page of somebody else's was left, as a
        chat in which the link was clicked. From a page of ours, which leads on by itself, it does.
        """
        if self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            self.set_header("Refresh", "0; url=/")
            self._page("Logged in", '<p><a href="/">Go on to the dashboard</a></p>')
        else:
            self.redirect("/")

    def _show(self, trouble: str = "", status: int = 200) -> None:
        self.set_status(status)
        told = f'<p role="alert">{xhtml_escape(trouble)}</p>\n' if trouble else ""
        self._page("Loads", _FORM.format(trouble=told, xsrf=self.xsrf_form_html()))

    def _page(self, title: str, body: str) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(_PAGE.format(title=title, body=body))


class Page(Guarded):
    """The dashboard. What it shows follows from its address, which its script reads."""

    def get(self, run: str = "") -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        assert self.xsrf_token  # sets the cookie, which the script sends along with what it wants changed
        try:
            page = (self.static / "index.html").read_bytes()
        except FileNotFoundError:
            self.set_status(503)
            self.finish(_PAGE.format(title="Loads", body=_NOT_BUILT))
            return
        self.finish(page)

    head = get


class Assets(Guarded, StaticFileHandler):
    """Its files. Their names change with what is in them."""

    def initialize(self, path: str, **given: Any) -> None:  # type: ignore[override]
        Guarded.initialize(self, **given)
        StaticFileHandler.initialize(self, path)

    def prepare(self) -> None:
        self.open_to_all = self.path_kwargs.get("path") in _FOR_ALL
        super().prepare()

    def set_extra_headers(self, path: str) -> None:
        if path.startswith("assets/"):
            self.set_header("Cache-Control", "private, max-age=31536000, immutable")

    async def get(self, path: str, include_body: bool = True) -> None:
        """A directory, or what is outside, is as much as nothing."""
        try:
            await super().get(path, include_body)
        except HTTPError as error:
            raise HTTPError(404) if error.status_code == 403 else error from None
        except ValueError:  # there is no such name
            raise HTTPError(404) from None

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Without a cache of ours: a dashboard in development changes beneath us."""
        return f"{Path(abspath).stat().st_mtime_ns:x}"
