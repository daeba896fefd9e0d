import hashlib
import os

from django import forms
from django.conf import settings
from django.db import connection
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.views.decorators.csrf import csrf_exempt
from shop.models import Entry

PAGE = """<form method="post">{% csrf_token %}{{ form }}<button>Sign</button></form>
<ul>{% for entry in entries %}<li>{{ entry }}</li>{% endfor %}</ul>"""


class EntryForm(forms.ModelForm):
    class Meta:
        model = Entry
        fields = ("name", "text")


def book(request):
    """The guest book: a form with CSRF, a database, a session that counts."""
    form = EntryForm(request.POST or None)
    if form.is_valid():
        form.save()
        request.session["signed"] = request.session.get("signed", 0) + 1
        return redirect("/")
    template = engines["django"].from_string(PAGE)
    return HttpResponse(template.render({"form": form, "entries": Entry.objects.all()}, request))


def signed(request):
    return JsonResponse({"signed": request.session.get("signed", 0), "pid": os.getpid()})


@csrf_exempt
def upload(request):
    """The digest of every file of a form."""
    found = {}
    for name, file in request.FILES.items():
        digest = hashlib.sha256()
        for chunk in file.chunks():
            digest.update(chunk)
        found[name] = digest.hexdigest()
    return JsonResponse({"files": found, "fields": dict(request.POST.items())})


@csrf_exempt
def body(request):
    return JsonResponse({"digest": hashlib.sha256(request.body).hexdigest(), "length": len(request.body)})


@csrf_exempt
def environ(request):
    """What the server tells of a request, but for the client's port, and its body."""
    told = {name: value for name, value in request.environ.items() if type(value) in (str, bool)}
    told.pop("REMOTE_PORT")
    return JsonResponse({"environ": told, "body": request.body.decode()})


def rows(_request):
    """20,000 rows of 1 KiB, read from the database while they are sent."""

    def lines():
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n"
            )
            while some := cursor.fetchmany(10):
                yield "".join(f"{number:1023}\n" for (number,) in some)

    return StreamingHttpResponse(lines(), content_type="text/plain")


def stream(_request):
    return StreamingHttpResponse((f"line {number}\n" for number in range(1000)), content_type="text/plain")


def download(_request):
    return FileResponse(open(settings.PLACE / "big.bin", "rb"), as_attachment=True)


def cookies(request):
    response = JsonResponse(dict(request.COOKIES))
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2", samesite="Lax")
    return response


def broken(_request):
    raise RuntimeError("the view is broken")
