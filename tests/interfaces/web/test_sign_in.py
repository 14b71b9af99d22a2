"""Signing in by a link: who gets one, how often it works, and when a session ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from amkpi.access import addresses
from amkpi.interfaces.web.sign_ins import ADDRESS_LIMIT, CLIENT_LIMIT
from tests.access.agencies import names_of, person
from tests.interfaces.web.serving import PAGE, PEOPLE, Serving, Start


def test_a_link_by_mail_signs_in_and_leads_to_the_page_that_was_asked_for(serving: Serving) -> None:
    with serving.client() as client:
        assert client.get("/vi/person/M.html").headers["location"] == "../../sign-in?next=vi%2Fperson%2FM.html"
        done = serving.sign_in(client, " M@Agency.example ", "vi/person/M.html")
        assert (done.status_code, done.headers["location"]) == (303, "vi/person/M.html")
        assert serving.postbox.taken[0][0] == "m@agency.example"
        assert client.get("/vi/person/M.html").text == "A: M of M 83.3%"
        assert client.get("/vi/person/N.html").status_code == 404


def test_opening_a_link_uses_nothing_for_programs_open_links(serving: Serving) -> None:
    with serving.client() as client:
        serving.ask(client, "m@agency.example")
        token = serving.postbox.token()
        for _ in range(3):
            shown = client.get("/sign-in-link", params={"token": token})
            assert shown.status_code == 200
            assert "set-cookie" not in shown.headers
            assert "m@agency.example" in shown.text
        assert client.head("/sign-in-link", params={"token": token}).status_code == 200
        assert client.post("/sign-in-link", data={"token": token}).status_code == 303


def test_a_link_works_once(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        token = serving.postbox.token()
        client.cookies.clear()
        for answer in (
            client.get("/sign-in-link", params={"token": token}),
            client.post("/sign-in-link", data={"token": token}),
        ):
            assert answer.status_code == 400
            assert "set-cookie" not in answer.headers
            assert "m@agency.example" not in answer.text


def flipped(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def later(token: str) -> str:
    ident, ends, signature = token.split(".")
    return f"{ident}.{int(ends) + 3600}.{signature}"


@pytest.mark.parametrize(
    "alter",
    [
        lambda token: flipped(token, 3), lambda token: flipped(token, len(token) - 1), later, lambda token: "",
        lambda token: ".", lambda token: token.rsplit(".", 1)[0], lambda token: token + "a", lambda token: "é.1.é",
    ],
)  # fmt: skip
def test_an_altered_link_signs_nobody_in(serving: Serving, alter: Callable[[str], str]) -> None:
    with serving.client() as client:
        serving.ask(client, "m@agency.example")
        answer = client.post("/sign-in-link", data={"token": alter(serving.postbox.token())})
        assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)
        assert client.post("/sign-in-link", data={"token": serving.postbox.token()}).status_code == 303


def test_a_link_ends_after_a_quarter_of_an_hour(serving: Serving) -> None:
    with serving.client() as client:
        serving.ask(client, "m@agency.example")
        serving.clock.passes(minutes=14, seconds=59)
        assert client.get("/sign-in-link", params={"token": serving.postbox.token()}).status_code == 200
        serving.clock.passes(seconds=1)
        assert client.post("/sign-in-link", data={"token": serving.postbox.token()}).status_code == 400


@pytest.mark.parametrize(
    "now",
    [
        names_of(person("D"), person("M", "D", email="new@agency.example")),
        names_of(person("D"), person("M", "D", is_active=False)),
        names_of(person("D"), person("M", email=None), person("X", email="m@agency.example")),
        names_of(person("D"), person("M"), person("X", email="m@agency.example")),
    ],
    ids=["another address", "left", "somebody else's address now", "two have it now"],
)
def test_a_link_is_worth_nothing_once_the_address_is_not_that_persons_any_more(serving: Serving, now: object) -> None:
    with serving.client() as client:
        serving.ask(client, "m@agency.example")
        serving.publish("B", now)  # type: ignore[arg-type]
        assert client.post("/sign-in-link", data={"token": serving.postbox.token()}).status_code == 400
        assert client.get(f"/{PAGE}").status_code == 303


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        (names_of(person("D"), person("M", "D", email="new@agency.example")), True),
        (names_of(person("D"), person("M", "D", is_active=False)), True),
        (names_of(person("D"), person("M", "D", role="group_account_director")), True),
        (names_of(person("D"), person("M"), person("X", email="m@agency.example")), True),
        # Who is below somebody counts at once, and needs no new sign-in.
        (names_of(person("D"), person("M", "D"), person("O", "M")), False),
    ],
    ids=["another address", "left", "another kind of reader", "two have the address", "a larger team"],
)
def test_a_session_ends_when_the_reader_is_not_the_same_any_more(serving: Serving, now: object, ends: bool) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        assert client.get(f"/{PAGE}").status_code == 200
        serving.publish("B", now)  # type: ignore[arg-type]
        answer = client.get(f"/{PAGE}")
        assert answer.status_code == (303 if ends else 200)
        if ends:
            serving.publish("C", PEOPLE)
            assert client.get(f"/{PAGE}").status_code == 303, "it has ended for good"
        else:
            assert answer.text == "B: M of M,O 83.3%"


def test_the_settings_make_analysts_and_a_change_of_them_ends_their_sessions(start: Start) -> None:
    serving = start(analysts=("a@side.example",))
    with serving.client() as client:
        serving.sign_in(client, "A@side.example")
        assert client.get(f"/{PAGE}").text == "A: None of D,M,N 83.3%"
        cookies = dict(client.cookies)
    with start().client(cookies=cookies) as client:
        assert client.get(f"/{PAGE}").status_code == 303


def test_a_session_ends_by_the_clock_and_by_the_sign_out(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        cookies = dict(client.cookies)
        assert client.get("/sign-out").status_code == 200
        assert client.get(f"/{PAGE}").status_code == 200, "looking at the page signs nobody out"
        client.post("/sign-out")
        assert not client.cookies
    with serving.client(cookies=cookies) as client:
        assert client.get(f"/{PAGE}").status_code == 303, "the cookie of before is worth nothing"
        serving.sign_in(client, "m@agency.example")
        serving.clock.passes(hours=11, minutes=59)
        assert client.get(f"/{PAGE}").status_code == 200
        serving.clock.passes(minutes=1)
        assert client.get(f"/{PAGE}").status_code == 303


def test_a_new_sign_in_ends_the_session_of_before(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        cookies = dict(client.cookies)
        serving.sign_in(client, "n@agency.example")
        assert client.get(f"/{PAGE}").text.startswith("A: N of")
    with serving.client(cookies=cookies) as client:
        assert client.get(f"/{PAGE}").status_code == 303


def test_the_answer_is_the_same_for_every_address(serving: Serving) -> None:
    serving.publish("B", names_of(person("M"), person("L", is_active=False), person("X", email="m2@agency.example"),
                                  person("Y", email="m2@agency.example")))  # fmt: skip
    asked = ["m@agency.example", "unknown@agency.example", "l@agency.example", "m2@agency.example", "", "x" * 9000]
    with serving.client() as client:
        answers = [serving.ask(client, address) for address in asked[:-1]]
        assert len({(each.status_code, each.text, tuple(sorted(each.headers))) for each in answers}) == 1
        assert [address for address, _ in serving.postbox.taken] == ["m@agency.example"]
        assert serving.ask(client, asked[-1]).status_code == 413


@pytest.mark.slow
def test_an_address_gets_few_links_and_the_answer_does_not_say_so(serving: Serving) -> None:
    with serving.client() as client:
        answers = {serving.ask(client, "m@agency.example").text for _ in range(ADDRESS_LIMIT + 2)}
        assert len(answers) == 1
        assert len(serving.postbox.taken) == ADDRESS_LIMIT
        assert client.post("/sign-in-link", data={"token": serving.postbox.token(0)}).status_code == 303, (
            "all are valid"
        )
        serving.clock.passes(minutes=15)
        serving.ask(client, "M@AGENCY.example")
        assert len(serving.postbox.taken) == ADDRESS_LIMIT + 1
        for _ in range(20):
            serving.clock.passes(minutes=15)
            serving.ask(client, "m@agency.example")
        assert len(serving.postbox.taken) == ADDRESS_LIMIT + 21, "nobody can use up the links of a day"


def test_a_client_may_ask_only_so_often_for_any_address(serving: Serving) -> None:
    with serving.client() as client:
        codes = [
            client.post("/sign-in", data={"address": f"u{n}@x.example"}).status_code for n in range(CLIENT_LIMIT + 1)
        ]
        assert codes == [200] * CLIENT_LIMIT + [429]
        assert serving.ask(client, "m@agency.example").status_code == 429
        assert not serving.postbox.taken
        serving.clock.passes(minutes=15)
        assert serving.ask(client, "m@agency.example").status_code == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example/x", "vi/../../x", "vi/\\evil", "javascript:alert(1)", "vi", "fr/x.html",
     "vi//x", "vi/a\r\nset-cookie: x=1", "/vi/index.html"],
)  # fmt: skip
def test_no_link_leads_to_another_site_after_the_sign_in(serving: Serving, target: str) -> None:
    with serving.client() as client:
        assert serving.sign_in(client, "m@agency.example", target).headers["location"] == "vi/index.html"


def test_a_mail_that_cannot_be_sent_is_in_the_servers_log_and_not_in_the_answer(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    serving.postbox.answer = "550 no such user"
    with serving.client() as client:
        assert serving.ask(client, "m@agency.example").status_code == 200
        assert "m@agency.example" in caplog.text
        serving.postbox.answer = "250 taken"
        serving.ask(client, "n@agency.example")
        assert len(serving.postbox.taken) == 1, "the next one is sent"


def test_the_mail_is_in_the_readers_language_and_its_link_goes_to_the_setting(serving: Serving) -> None:
    with serving.client() as client:
        client.headers["host"] = "evil.example"
        for address in ("m@agency.example", "n@agency.example"):
            serving.ask(client, address)
        assert "15 phút" in serving.postbox.body(0)
        assert "15 minutes" in serving.postbox.body(1)
        assert "evil" not in serving.postbox.body(0)


def test_of_two_people_who_use_one_link_at_once_one_is_signed_in(serving: Serving) -> None:
    with serving.client() as client, ThreadPoolExecutor(8) as pool:
        serving.ask(client, "m@agency.example")
        token = serving.postbox.token()
        found = list(pool.map(lambda _: serving.application.sign_ins.use_link(token), range(8)))
        assert len([link for link in found if link]) == 1


def test_what_is_stored_signs_nobody_in_and_names_no_client(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        file = serving.home.state / "sign_ins.sqlite"
        assert file.stat().st_mode & 0o777 == 0o600
        stored = file.read_bytes().decode("latin-1")
        for secret in (*client.cookies.values(), serving.postbox.token(), "testclient"):
            assert secret.split(".")[0] not in stored


def test_a_changed_address_gets_no_link_before_it_is_confirmed_and_the_old_one_gets_none_either(
    serving: Serving,
) -> None:
    state = serving.home.state
    addresses.observe(state, [("M", "m@agency.example")], serving.clock())
    addresses.write_published(serving.home)
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        addresses.observe(state, [("M", "new@agency.example")], serving.clock())
        addresses.write_published(serving.home)
        serving.publish("B", names_of(person("M", email="new@agency.example")))
        assert client.get(f"/{PAGE}").status_code == 303
        serving.postbox.taken.clear()
        for address in ("m@agency.example", "new@agency.example"):
            serving.ask(client, address)
        assert not serving.postbox.taken
        addresses.confirm(serving.home, addresses.changes(state))
        serving.sign_in(client, "new@agency.example")
        assert client.get(f"/{PAGE}").text == "B: M of M 83.3%"
