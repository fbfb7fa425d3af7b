"""The exercise as its readers write it: Flask, SQLAlchemy and bcrypt, on the SQLite file peer.db of the folder it runs in."""

import uuid

import bcrypt
from flask import Flask, abort, jsonify, make_response, redirect, render_template, request
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

COST = 12


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    hashed_password: Mapped[bytes]
    session_id: Mapped[str | None] = mapped_column(index=True)
    reset_token: Mapped[str | None]


engine = create_engine("sqlite:///peer.db")


@event.listens_for(engine, "connect")
def write_ahead(connection, _):
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def create_tables():
    Base.metadata.create_all(engine)


app = Flask(__name__)


def wants_page():
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def find_user(session, **key):
    return session.scalars(select(User).filter_by(**key)).first()


def signed_in(session):
    cookie = request.cookies.get("session_id")
    return find_user(session, session_id=cookie) if cookie else None


@app.get("/")
def welcome():
    return jsonify({"message": "Bienvenue"})


@app.get("/signup")
def sign_up_form():
    return render_template("form.html", title="Sign up", action="/users")


@app.get("/login")
def log_in_form():
    return render_template("form.html", title="Log in", action="/sessions")


@app.post("/users")
def sign_up():
    email, password = request.form["email"], request.form["password"]
    with Session(engine) as session:
        if find_user(session, email=email):
            return jsonify({"message": "email already registered"}), 400
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST))
        session.add(User(email=email, hashed_password=hashed))
        session.commit()
    return jsonify({"email": email, "message": "user created"})


@app.post("/sessions")
def log_in():
    email, password = request.form["email"], request.form["password"]
    with Session(engine) as session:
        user = find_user(session, email=email)
        if not user or not bcrypt.checkpw(password.encode(), user.hashed_password):
            abort(401)
        user.session_id = str(uuid.uuid4())
        answer = make_response(jsonify({"email": email, "message": "logged in"}))
        answer.set_cookie("session_id", user.session_id, httponly=True, samesite="Lax")
        session.commit()
    return answer


@app.delete("/sessions")
def log_out():
    with Session(engine) as session:
        user = signed_in(session)
        if not user:
            abort(403)
        user.session_id = None
        session.commit()
    return redirect("/", 303)


@app.get("/profile")
def profile():
    with Session(engine) as session:
        user = signed_in(session)
        if not user:
            return redirect("/login?next=/profile", 303) if wants_page() else abort(403)
        if wants_page():
            return render_template("profile.html", email=user.email)
        return jsonify({"email": user.email})
