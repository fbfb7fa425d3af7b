"""Gatehouse, its peers and the limits: how each is started, asked to sign in, and checked."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../script"))
from server import HTML, PASSWORD, Process, Server, free_port  # noqa: E402

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ANN = "ann@example.com"
# Others than the one whose page is looked at.
CROWD = [f"crowd{number}@example.com" for number in range(8)]
CORES = len(os.sched_getaffinity(0))


class Unfit(Exception):
    """A server that does not do its work gives no figure."""


class Service:
    """What there is to know of one server. `binaries` holds release builds, `cache` what bench/run installed."""

    login_page = "/login"
    database, sessions = "peer.db", "SELECT id FROM session"
    cookie = ""

    def __init__(self, binaries, cache):
        self.binaries, self.cache = binaries, cache

    def process(self, folder):
        """The server, to be started in `folder`."""
        port = free_port()
        return Process(self.command(port), folder, port, self.all_of_environment(folder))

    def all_of_environment(self, folder):
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {**inherited, "HOME": folder, **self.environment()}

    def environment(self):
        return {}

    @contextlib.contextmanager
    def running(self, folder):
        """Started, and warm: every worker has answered."""
        with self.process(folder) as server:
            self.first_answer = server.wait(self.login_page)
            for _ in range(40):
                expect(server.ask("GET", self.login_page, accept=HTML), 200, b"<")
            yield server

    def prepare(self, folder):
        """A database with ann and the crowd."""
        with self.running(folder) as server:
            for email in [ANN, *CROWD]:
                self.sign_up(server, email)
            # What another worker wrote may come a moment later.
            time.sleep(0.5)

    def send(self, server, request):
        """A request as the load tool sends it, by hand."""
        headers = {name.replace("-", "_"): value for name, value in request["headers"].items()}
        accept, cookie = headers.pop("Accept"), headers.pop("Cookie", "")
        body = request["bodies"][0] if "bodies" in request else None
        return server.ask(request["method"], request["path"], body, accept, cookie=cookie, **headers)

    def check(self, server, folder):
        """Signs ann in, for the cookie; fails unless pages, JSON and log-in are what they should be."""
        before = self.session_keys(folder)
        answer = self.send(server, self.log_in(server, [ANN]))
        expect(answer, self.log_in_status, self.log_in_text(ANN))
        self.cookie = "; ".join(value.split(";")[0] for name, value in answer.getheaders()
                                if name.lower() == "set-cookie" and "=;" not in value.split(" ")[0])
        if not self.session_keys(folder) - before:
            raise Unfit("a log-in left no session row")
        expect(self.send(server, self.page()), 200, f"<dd>{ANN}</dd>".encode(), b"</html>")
        answer = self.send(server, self.twin())
        expect(answer, 200, ANN.encode())
        if json.loads(answer.body).get("email") != ANN:
            raise Unfit("the JSON profile is another's")
        for accept in (HTML, JSON):
            expect(self.send(server, self.get("/profile", accept, signed_in=False)), {302, 303, 401, 403})
        wrong = self.log_in(server, [ANN], password="another harbour")
        if self.send(server, wrong).status == self.log_in_status:
            raise Unfit("a wrong password logs in")
        expect(self.send(server, {"method": "GET", "path": self.login_page, "headers": {"Accept": HTML}}), 200,
               b'type="password"', b"</html>")

    def session_keys(self, folder):
        with contextlib.closing(sqlite3.connect(f"{folder}/{self.database}", timeout=10)) as database:
            return set(database.execute(self.sessions))

    def get(self, path, accept, signed_in=True):
        headers = {"Accept": accept, **({"Cookie": self.cookie} if signed_in else {})}
        return {"method": "GET", "path": path, "headers": headers}

    def page(self):
        return self.get("/profile", HTML)

    def twin(self):
        return self.get("/profile", JSON)

    def anonymous_page(self):
        return self.get(self.login_page, HTML, signed_in=False)

    log_in_status = 200

    def log_in_text(self, _):
        return b"logged in"

    def log_in(self, _, emails, password=PASSWORD):
        return posted("/sessions", [{"email": email, "password": password} for email in emails])

    def sign_up(self, server, email):
        expect(self.send(server, posted("/users", [{"email": email, "password": PASSWORD}])), 200, b"user created")


def posted(path, forms, kind=FORM, **headers):
    """The forms, in turn; an answer to the first is what `Service.send` gets."""
    bodies = [json.dumps(form) if kind == JSON else urllib.parse.urlencode(form) for form in forms]
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"method": "POST", "path": path, "bodies": bodies,
            "headers": {"Accept": JSON, "Content-Type": kind, **headers}}


def expect(answer, status, *texts):
    wanted = status if isinstance(status, set) else {status}
    if answer.status not in wanted:
        raise Unfit(f"answered {answer.status}, not {status}: {answer.body[:200]!r}")
    told = answer.body + (answer.getheader("Location") or "").encode()
    for text in texts:
        if text not in told:
            raise Unfit(f"{text!r} is not in the answer: {told[:200]!r}")


class Gatehouse(Service):
    name, title = "gatehouse", "Gatehouse"
    database, sessions = "data/gatehouse.db", "SELECT id FROM sessions"

    def process(self, folder):
        return Server(f"{self.binaries}/gatehouse", folder, port=free_port())


class Gunicorn(Service):
    def environment(self):
        return {"PYTHONPATH": f"{HERE}/peers", "PYTHONPYCACHEPREFIX": f"{self.cache}/pycache"}

    def command(self, port):
        # The number of workers that its guide advises; threads, so that connections are kept alive.
        return [f"{self.cache}/venv/bin/gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(2 * CORES + 1),
                "--threads", "4", "--no-control-socket", self.application]

    def run_python(self, folder, *words):
        done = subprocess.run([f"{self.cache}/venv/bin/python", *words], cwd=folder, env=self.all_of_environment(folder),
                              capture_output=True, text=True)
        if done.returncode:
            raise Unfit(done.stderr[-300:])


class Flask(Gunicorn):
    name, title = "flask", "Flask + SQLAlchemy"
    application, sessions = "flask_app:app", "SELECT session_id FROM users"

    def prepare(self, folder):
        self.run_python(folder, "-c", "import flask_app; flask_app.create_tables()")
        super().prepare(folder)


class Django(Gunicorn):
    name, title = "django", "Django + allauth"
    application, sessions = "django_site.wsgi", "SELECT session_key FROM django_session"
    login_page, log_in_status = "/accounts/login/", 302

    def environment(self):
        return {**super().environment(), "DJANGO_SETTINGS_MODULE": "django_site.settings"}

    def prepare(self, folder):
        self.run_python(folder, "-m", "django", "migrate", "--verbosity", "0")
        super().prepare(folder)

    def log_in_text(self, _):
        return b"/profile"

    def with_token(self, server, path, forms):
        """Its forms carry a token that goes with a cookie."""
        answer = server.ask("GET", path, accept=HTML)
        token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.body).group(1).decode()
        cookie = answer.getheader("Set-Cookie").split(";")[0]
        request = posted(path, [{**form, "csrfmiddlewaretoken": token} for form in forms], Cookie=cookie)
        request["headers"]["Accept"] = HTML
        return request

    def log_in(self, server, emails, password=PASSWORD):
        return self.with_token(server, self.login_page, [{"login": email, "password": password} for email in emails])

    def sign_up(self, server, email):
        form = {"email": email, "password1": PASSWORD, "password2": PASSWORD}
        expect(self.send(server, self.with_token(server, "/accounts/signup/", [form])), 302, b"/profile")


class Node(Service):
    name, title = "node", "Express + better-auth"

    def environment(self):
        return {"NODE_ENV": "production"}

    def command(self, port):
        return ["node", f"{self.cache}/node/server.mjs", str(port)]

    def log_in_text(self, email):
        return email.encode()

    def log_in(self, server, emails, password=PASSWORD):
        forms = [{"email": email, "password": password} for email in emails]
        return posted("/api/auth/sign-in/email", forms, JSON, Origin=f"http://127.0.0.1:{server.port}")

    def sign_up(self, server, email):
        form = {"email": email, "password": PASSWORD, "name": "Somebody"}
        request = posted("/api/auth/sign-up/email", [form], JSON, Origin=f"http://127.0.0.1:{server.port}")
        expect(self.send(server, request), 200, email.encode())


class Limit(Service):
    """Answers one thing to everybody."""
    login_page = "/"

    def prepare(self, folder):
        pass

    def check(self, server, folder):
        expect(server.ask("GET", "/"), 200, self.text)

    def page(self):
        return self.get("/", HTML, signed_in=False)


class Constant(Limit):
    name, title, text = "constant", "Rocket, a constant answer", b"Bienvenue"

    @contextlib.contextmanager
    def running(self, folder):
        with self.process(folder) as server:
            self.first_answer = server.wait("/")
            yield server

    def command(self, port):
        return [f"{self.binaries}/constant", str(port)]


class Nginx(Limit):
    name, title, text = "nginx", "nginx, a static file", b"</html>"

    def prepare(self, folder):
        # A page of the size of Gatehouse's profile.
        with open(f"{folder}/index.html", "w") as page:
            page.write("<!DOCTYPE html>\n<title>Profile</title>\n" + "<p>A quiet harbour.</p>\n" * 100 + "</html>\n")

    def process(self, folder):
        port = free_port()
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{folder}/nginx.conf", "w") as settings:
            # Its workers are another user's, who cannot enter the folder.
            settings.write(f"""{"user root;" if os.geteuid() == 0 else ""}
                daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes auto; events {{}}
                http {{ default_type text/html; access_log off; {temporary}
                    server {{ listen 127.0.0.1:{port}; root {folder}; }} }}""")
        command = ["nginx", "-e", "stderr", "-p", folder, "-c", f"{folder}/nginx.conf"]
        return Process(command, folder, port, self.all_of_environment(folder))


SERVICES = [Gatehouse, Flask, Django, Node]
LIMITS = [Constant, Nginx]


def copy_of(prepared, folder):
    """A database of its own for each case."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
