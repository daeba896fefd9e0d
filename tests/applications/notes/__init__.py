"""A Flask project: notes with forms and a session, uploads, downloads and streams."""

import hashlib
import os
from pathlib import Path

from flask import Flask, Response, abort, jsonify, redirect, request, send_file, session, stream_with_context


def create_app():
    """The application factory."""
    app = Flask(__name__)
    app.secret_key = "of the tests, and nobody else's"
    place = Path(os.environ["NOTES_PLACE"])

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

    @app.get("/missing")
    def missing():
        abort(404)

    @app.get("/broken")
    def broken():
        raise RuntimeError("the view is broken")

    return app
