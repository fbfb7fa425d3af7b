"""A client of the classroom exercise, as others write it against Flask: requests and asserts.

    classroom_client.py URL EMAIL
"""

import sys

import requests

URL, EMAIL = sys.argv[1], sys.argv[2]
PASSWD = "b4l0u"
NEW_PASSWD = "t4rt1fl3tt3"


def register_user(email, password):
    response = requests.post(f"{URL}/users", data={"email": email, "password": password})
    assert response.status_code == 200, response.text
    assert response.json() == {"email": email, "message": "user created"}
    response = requests.post(f"{URL}/users", data={"email": email, "password": password})
    assert response.status_code == 400, response.text
    assert response.json() == {"message": "email already registered"}


def log_in_wrong_password(email, password):
    response = requests.post(f"{URL}/sessions", data={"email": email, "password": password})
    assert response.status_code == 401, response.text
    assert response.cookies.get("session_id") is None


def profile_unlogged():
    response = requests.get(f"{URL}/profile")
    assert response.status_code == 403, response.text
    response = requests.get(f"{URL}/profile", cookies={"session_id": "nope"})
    assert response.status_code == 403, response.text


def log_in(email, password):
    response = requests.post(f"{URL}/sessions", data={"email": email, "password": password})
    assert response.status_code == 200, response.text
    assert response.json() == {"email": email, "message": "logged in"}
    session_id = response.cookies.get("session_id")
    assert session_id
    return session_id


def profile_logged(session_id):
    response = requests.get(f"{URL}/profile", cookies={"session_id": session_id})
    assert response.status_code == 200, response.text
    assert response.json() == {"email": EMAIL}


def log_out(session_id):
    response = requests.delete(f"{URL}/sessions", cookies={"session_id": session_id})
    assert response.status_code == 200, response.text
    assert response.json() == {"message": "Bienvenue"}
    assert [step.is_redirect for step in response.history] == [True]
    response = requests.delete(f"{URL}/sessions", cookies={"session_id": session_id})
    assert response.status_code == 403, response.text


def reset_password_token(email):
    response = requests.post(f"{URL}/reset_password", data={"email": "nobody-" + email})
    assert response.status_code == 403, response.text
    response = requests.post(f"{URL}/reset_password", data={"email": email})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert set(answer) == {"email", "reset_token"} and answer["email"] == email
    return answer["reset_token"]


def update_password(email, reset_token, new_password):
    data = {"email": email, "reset_token": reset_token, "new_password": new_password}
    response = requests.put(f"{URL}/reset_password", data=data)
    assert response.status_code == 200, response.text
    assert response.json() == {"email": email, "message": "Password updated"}
    response = requests.put(f"{URL}/reset_password", data=data)
    assert response.status_code == 403, response.text


if __name__ == "__main__":
    assert requests.get(f"{URL}/").json() == {"message": "Bienvenue"}
    register_user(EMAIL, PASSWD)
    log_in_wrong_password(EMAIL, NEW_PASSWD)
    profile_unlogged()
    session_id = log_in(EMAIL, PASSWD)
    profile_logged(session_id)
    log_out(session_id)
    reset_token = reset_password_token(EMAIL)
    update_password(EMAIL, reset_token, NEW_PASSWD)
    log_in_wrong_password(EMAIL, PASSWD)
    log_in(EMAIL, NEW_PASSWD)
    print("every line passed")
