"""A Flask project: notes with forms and a session, uploads, downloads and streams, and users who sign in."""

import hashlib
import os
from pathlib import Path

from flask import Flask, Response, abort, jsonify, redirect, request, send_file, session, stream_with_context
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user

EXPORTED = 5000  # lines of 2 KiB


class User(UserMixin):
    """One of whom nothing is known but the name."""

    def __init__(self, name):
        self.id = name


def create_app():
    """The application factory."""
    app = Flask(__name__)
    app.secret_key = "of the tests, and nobody else's"
    place = Path(os.environ["NOTES_PLACE"])
    LoginManager(app).user_loader(User)

    @app.route("/", methods=["GET", "POST"])
    def notes():
        if request.method == "POST":
            session["notes"] = [*session.get("notes", []), request.form["note"]]
            return redirect("/")
        return jsonify(session.get("notes", []))

    @app.post("/upload")
    def upload():
        digest = hashlib.sha256(request.files["file"].stream.read()).hexdigest()
        return jsonify(digest=digest, title=request.form["title"])

    @app.post("/body")
    def body():
        data = request.get_data()
        return jsonify(digest=hashlib.sha256(data).hexdigest(), length=len(data))

    @app.get("/stream")
    def stream():
        return Response(stream_with_context(f"{request.args['word']} {number}\n" for number in range(1000)))

    @app.get("/download")
    def download():
        return send_file(place / "big.bin", as_attachment=True)

    @app.post("/login/<name>")
    def login(name):
        return jsonify(login_user(User(name)))

    @app.get("/me")
    def me():
        return jsonify(current_user.get_id())

    @app.get("/export")
    @login_required
    def export():
        lines = (f"{current_user.get_id():2047}\n" for _ in range(EXPORTED))
        return Response(stream_with_context(lines), mimetype="text/plain")

    @app.get("/missing")
    def missing():
        abort(404)

    @app.get("/broken")
    def broken():
        raise RuntimeError("the view is broken")

    return app
