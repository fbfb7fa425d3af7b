"""A mail server for tests: aiosmtpd on a loopback port, told what to do by its arguments.

Prints its port on the first line, then a JSON object for each thing that happens.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self, options):
        self.options = options

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if self.options.refuse_recipient:
            say(event="refused", to=address)
            return self.options.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        say(event="receiving")
        while self.options.hold and not os.path.exists(self.options.hold):
            await asyncio.sleep(0.02)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            event="mail",
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            user=session.auth_data,
            headers=[[name, str(value)] for name, value in mail.items()],
            text=mail.get_body(("plain",)).get_content(),
            html=mail.get_body(("html",)).get_content(),
        )
        if self.options.repeat:
            lines = envelope.content.decode().splitlines()
            links = " ".join(line for line in lines if line.startswith("http"))
            return f"554 5.7.1 {links} that is spam"
        return "250 OK"


def authenticator(options):
    user, _, password = options.auth.partition(":")

    def check(server, session, envelope, mechanism, data):
        say(event="auth", user=data.login.decode(), password=data.password.decode())
        if (data.login.decode(), data.password.decode()) == (user, password):
            return AuthResult(success=True, auth_data=user)
        if options.repeat:
            words = f"{data.login.decode()} {data.password.decode()}"
            return AuthResult(success=False, handled=False, message=f"535 5.7.8 nobody is {words}")
        return AuthResult(success=False, handled=False)

    return check


def certified(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


async def serve(options):
    loop = asyncio.get_running_loop()
    settings = {"auth_require_tls": False}
    if options.auth:
        settings.update(auth_required=True, authenticator=authenticator(options))
    if options.starttls:
        settings.update(tls_context=certified(options.starttls))
    server = await loop.create_server(
        lambda: SMTP(Handler(options), loop=loop, hostname="mail.test", **settings),
        "127.0.0.1",
        options.port,
        ssl=certified(options.tls) if options.tls else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--auth", default="", help="USER:PASSWORD that is asked for")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="from the first byte")
    parser.add_argument("--starttls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--refuse-recipient", default="", help="the answer to every RCPT")
    parser.add_argument("--repeat", action="store_true", help="refuses in the client's own words")
    parser.add_argument("--hold", default="", help="takes no mail until this file exists")
    asyncio.run(serve(parser.parse_args()))
