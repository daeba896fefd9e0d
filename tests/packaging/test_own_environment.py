"""An application in its own virtual environment under the packaged daemon: another Python, and other libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.packaging.conftest import machine_of
from tests.packaging.packages import Packages
from tests.packaging.roots import root_of

SITE = """
import json, sys
import django, pydantic
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

class Order(pydantic.BaseModel):
    number: int

    @pydantic.validator("number")
    def positive(cls, value):
        assert value > 0
        return value

def order(request):
    said = Order.parse_obj({"number": request.GET["number"]}).dict()
    said.update(python=sys.version_info[:2], pydantic=pydantic.VERSION, django=django.__version__, prefix=sys.prefix)
    return HttpResponse(json.dumps(said))

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="secret")
urlpatterns = [path("order", order)]
application = get_wsgi_application()
"""
CONFIG = """
[control]
socket = "/run/prefork/control.sock"
[pool.web]
app = "site_of_shop:application"
directory = "/srv/shop"
python = "/srv/shop/.venv/bin/python"
workers = 2
"""


def test_django_and_pydantic_1_under_another_python_than_the_daemon_s(tmp_path: Path, packages: Packages):
    """The daemon has Python 3.13 and pydantic 2 of its own; the application sees nothing of either.

    The other Python is that of the other suite's root, whatever runs the tests: Python finds its own library by the path
    of its executable.
    """
    with machine_of("trixie", tmp_path / "trixie", {root_of("bookworm") / "usr": "/opt/older"}) as machine:
        machine.install(packages.deb())
        machine.write("/srv/shop/site_of_shop.py", SITE)
        machine.run("/opt/older/bin/python3.11", "-m", "venv", "--without-pip", "/srv/shop/.venv")
        site = machine.files / "srv/shop/.venv/lib/python3.11/site-packages"
        foreign = ["--python-version", "3.11", "--only-binary", ":all:", "--target", str(site)]
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-compile", *foreign, "django", "pydantic<2"]
        subprocess.run(pip, check=True)
        machine.write("/etc/prefork.toml", CONFIG)
        assert machine.run("preforkd", "-t").stdout == "ok\n"
        machine.run("systemctl", "start", "preforkd")
        said = json.loads(machine.get("/order?number=7"))
        assert said["number"] == 7
        assert said["pydantic"].startswith("1.")
        assert said["python"] == [3, 11]
        assert said["prefix"] == "/srv/shop/.venv"
        assert machine.get("/order?number=0") == "500"
        # The package is upgraded under it like any other.
        with machine.load(8000, "/order?number=7") as lost:
            assert "handed over" in machine.install(packages.deb("0.1.1"))
            machine.run("systemctl", "reload", "preforkd")
        assert lost.problems == ()
