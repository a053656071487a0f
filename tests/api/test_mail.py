"""Mail: one contract for SMTP and folder, and a queue that sends at least once."""

import re
import socketserver
import threading
from email import message_from_bytes, policy

import pytest
from api_people import fresh_mail, link_secret, sign_up
from pydantic import SecretStr

from cliply_api.identity.mailing import send_due_mails
from cliply_resources.errors import CallerError, Rejected, TryLater
from cliply_resources.mail import FolderMailer, Mail, SmtpMailer, open_mailer
from cliply_resources.settings import Settings

MAIL = Mail(
    recipient="ada@example.com", subject="Grüße", text="Hello ‘Ada’,\n\n.a line with a dot\nhttps://example.com/#x\n"
)


class Smtp(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 to take a mail, or to refuse one as it is told."""

    def handle(self):
        server = self.server
        self.say("220 ready")
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            word = line.split(" ")[0].upper()
            server.heard.append(line)
            if word in server.answers:
                self.say(server.answers[word])
            elif word == "EHLO":
                self.say("250-here\r\n250 8BITMIME")
            elif word == "DATA":
                self.say("354 go on")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += self.rfile.readline()
                server.mails.append(re.sub(rb"(?m)^\.\.", b".", body[:-5]))
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def smtp():
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Smtp) as server:
        server.mails, server.heard, server.answers = [], [], {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()


@pytest.fixture(params=["smtp", "folder"])
def mailer_and_mails(request, tmp_path, smtp):
    if request.param == "smtp":
        return SmtpMailer(smtp.url, "Cliply <c@example.com>"), lambda: smtp.mails
    mailer = FolderMailer(tmp_path / "mail", "Cliply <c@example.com>")
    return mailer, lambda: [path.read_bytes() for path in sorted(mailer.folder.iterdir())]


def test_what_was_sent_arrives_whole(mailer_and_mails):
    mailer, mails = mailer_and_mails
    mailer.send(MAIL)
    [arrived] = mails()
    message = message_from_bytes(arrived, policy=policy.default)
    assert (message["To"], message["Subject"], message["From"]) == (
        MAIL.recipient,
        MAIL.subject,
        "Cliply <c@example.com>",
    )
    assert message.get_content().replace("\r\n", "\n").rstrip("\n") == MAIL.text.rstrip("\n")
    assert message["Message-ID"]
    assert message["Date"]


def test_nobody_adds_headers_or_recipients_by_a_line_break(mailer_and_mails):
    mailer, _ = mailer_and_mails
    for bad in ({"recipient": "a@example.com\r\nBcc: b@example.com"}, {"subject": "x\nBcc: b@example.com"}):
        with pytest.raises(Rejected):
            mailer.send(Mail(**{"recipient": "a@example.com", "subject": "s", "text": "t", **bad}))


def test_mails_in_the_folder_are_for_nobody_else(tmp_path):
    mailer = FolderMailer(tmp_path / "mail", "c@example.com")
    mailer.send(MAIL)
    [path] = mailer.folder.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert mailer.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"MAIL": "451 later"}, TryLater),
        ({"RCPT": "450 later"}, TryLater),
        ({"RCPT": "550 no such user"}, Rejected),
        ({"DATA": "554 spam"}, Rejected),
    ],
)
def test_a_refusal_for_now_and_one_for_good_are_told_apart(smtp, answers, error):
    smtp.answers = answers
    with pytest.raises(error):
        SmtpMailer(smtp.url, "c@example.com").send(MAIL)


def test_a_server_out_of_reach_is_for_later():
    with pytest.raises(TryLater):
        SmtpMailer("smtp://127.0.0.1:1", "c@example.com").send(MAIL)


def test_a_password_is_not_sent_in_clear(smtp):
    with pytest.raises(Rejected, match="no encryption"):
        SmtpMailer(smtp.url.replace("//", "//user:hunter22@"), "c@example.com").send(MAIL)
    assert not [line for line in smtp.heard if line.startswith("AUTH")]


def test_the_settings_choose(tmp_path):
    assert isinstance(open_mailer(Settings(home=tmp_path)), FolderMailer)
    assert isinstance(open_mailer(Settings(smtp_url=SecretStr("smtps://u:p@host"))), SmtpMailer)
    with pytest.raises(CallerError):
        open_mailer(Settings(smtp_url=SecretStr("https://host")))


class Failing:
    """A mail server that is down for a while."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.sent = []

    def send(self, mail):
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(mail)


def test_a_mail_is_tried_again_later_with_a_fresh_link(client, ask, monkeypatch):
    state = client.app.state
    ada = sign_up(client)
    fresh_mail(client, ada.email)
    # Not due for the application's own background task, which would be faster.
    ask(
        "INSERT INTO mail_queue (purpose, recipient, user_id, due_at) VALUES ('reset_password', %s, %s, now() + interval '1 h')",
        ada.email,
        ada.user_id,
    )
    mailer = Failing(TryLater("down"))
    ask("UPDATE mail_queue SET due_at = now() - interval '1 s'")
    if send_due_mails(state.database, mailer, state.settings) == 0 and not mailer.errors:
        [(attempts, error, later)] = ask("SELECT attempts, last_error, due_at > now() FROM mail_queue")
        assert (attempts, error, later) == (1, "down", True)
        ask("UPDATE mail_queue SET due_at = now() - interval '1 s'")
        send_due_mails(state.database, mailer, state.settings)
    mail = fresh_mail(client, ada.email, "reset-password") if not mailer.sent else mailer.sent[0].text
    reset = {"token": link_secret(mail), "password": "a new good password"}
    assert client.post("/api/auth/password/reset", json=reset).status_code == 204


def test_a_mail_that_is_refused_for_good_is_given_up(shared_database, ask, api_settings):
    ask("DELETE FROM mail_queue")
    user = ask("INSERT INTO users (email, password_hash) VALUES ('r@example.com', '') RETURNING id")[0][0]
    ask("INSERT INTO mail_queue (purpose, recipient, user_id) VALUES ('password_changed', 'r@example.com', %s)", user)
    send_due_mails(shared_database, Failing(Rejected("no such mailbox")), api_settings)
    assert ask("SELECT 1 FROM mail_queue WHERE recipient = 'r@example.com'") == []


def test_an_accepted_invitation_is_not_mailed_again(client, ask):
    owner = sign_up(client)
    guest = sign_up(client, "guest")
    made = owner(
        "POST", f"/api/workspaces/{owner.workspace_id}/invitations", json={"email": guest.email, "role": "viewer"}
    ).json()
    token = link_secret(fresh_mail(client, guest.email, "/invitation"))
    guest("POST", "/api/invitations/accept", json={"token": token})
    ask(
        "INSERT INTO mail_queue (purpose, recipient, invitation_id) VALUES ('invitation', %s, %s)",
        guest.email,
        made["id"],
    )
    mailer = Failing()
    send_due_mails(client.app.state.database, mailer, client.app.state.settings)
    assert mailer.sent == []
