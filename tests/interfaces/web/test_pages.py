"""Pages over HTTP: to whom, with which headers, from which publication, and what is logged."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from amkpi.access.reader import Reader
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.storage.pages_key import secret_key
from amkpi.interfaces.web import current_site
from amkpi.interfaces.web.access_log import AccessLog, View
from amkpi.interfaces.web.current_site import CurrentSite
from amkpi.interfaces.web.server import check, config, listening
from amkpi.interfaces.web.sign_ins import SignIns
from tests.access.agencies import AS_OF, names_of, person
from tests.interfaces.web.serving import PAGE, PEOPLE, URL, Clock, Serving, Start, TestAnswer, TestSite, settings_of


def open_files() -> set[str]:
    """The files of publications that this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return {name for link in links if link.is_symlink() and (name := target(link)).endswith(".duckdb")}


def target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # the descriptor that lists the folder itself
        return ""


def test_without_a_session_every_path_leads_to_the_sign_in(serving: Serving) -> None:
    with serving.client() as client:
        for path in ("/vi/index.html", "/vi/person/M.html", "/vi/none.html", "/en/x.csv", "/vi/defect.html"):
            answer = client.get(path)
            assert (answer.status_code, answer.text) == (303, "")
            assert answer.headers["location"].startswith("../")
        assert client.get("/assets/pages.css").status_code == 401
        assert client.get("/").headers["location"] == "vi/index.html"
        assert client.get("/", headers={"accept-language": "fr, en;q=0.5"}).headers["location"] == "en/index.html"
        assert not [page for site in serving.sites for page in site.made], "no page was made for somebody unknown"


def test_no_page_and_no_right_have_one_answer(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        answers = [client.get(path) for path in ("/vi/person/D.html", "/vi/person/X.html", "/vi/nothing", "/vi/a/b")]
        assert {answer.status_code for answer in answers} == {404}
        assert {re.sub(r"(\.\./)+", "", answer.text) for answer in answers} == {answers[2].text.replace("../", "")}
        assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1


def test_head_and_get_have_the_same_headers_and_other_methods_are_refused(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        got, head = client.get(f"/{PAGE}"), client.head(f"/{PAGE}")
        assert (head.status_code, head.text) == (200, "")
        assert head.headers == got.headers
        codes = {
            method: client.request(method, f"/{PAGE}").status_code for method in ("POST", "PUT", "DELETE", "TRACE")
        }
        assert set(codes.values()) == {405}


@pytest.mark.parametrize(
    "path", ["/vi/index.html", "/vi/none", "/vi/defect.html", "/sign-in", "/sign-in.css", "/healthz"]
)
def test_every_answer_has_the_headers_that_keep_a_page_private(serving: Serving, path: str) -> None:
    with serving.client(raise_server_exceptions=False) as client:
        serving.sign_in(client, "m@agency.example")
        headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["strict-transport-security"]
    assert headers["vary"] == "Cookie"
    assert headers["cache-control"] == ("public, max-age=3600" if path.endswith("css") else "private, no-store")
    assert "server" not in headers


def test_our_own_pages_have_nothing_inline(serving: Serving) -> None:
    with serving.client() as client:
        serving.ask(client, "m@agency.example")
        pages = [client.get(path).text for path in ("/sign-in", "/sign-out", "/sign-in-link?token=x")]
        pages.append(client.get("/sign-in-link", params={"token": serving.postbox.token()}).text)
        for page in pages:
            assert not re.search(r"<script|<style|style=|\son\w+=|https?://", page)


def test_the_cookie_is_for_the_server_alone(serving: Serving) -> None:
    with serving.client() as client:
        cookie = serving.sign_in(client, "m@agency.example").headers["set-cookie"]
        assert cookie.startswith("__Host-amkpi_session=")
        for part in ("HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert "Domain" not in cookie


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://kpi.agency.example"},
     {"origin": "", "sec-fetch-site": "cross-site"}, {"origin": "", "sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_another_site_can_sign_nobody_in_or_out(serving: Serving, headers: dict[str, str]) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        for path in ("/sign-in", "/sign-in-link", "/sign-out"):
            given = {name: value for name, value in headers.items() if value}
            if not headers["origin"]:
                del client.headers["origin"]
            assert client.post(path, headers=given).status_code == 403
            client.headers["origin"] = URL
        assert client.get(f"/{PAGE}").status_code == 200


def test_a_form_that_is_too_long_is_refused_with_and_without_its_length(serving: Serving) -> None:
    def pieces():  # type: ignore[no-untyped-def]
        for _ in range(10):
            yield b"a" * 1024

    with serving.client(raise_server_exceptions=False) as client:
        assert client.post("/sign-in", content=b"a" * 9000).status_code == 413
        assert client.post("/sign-in", content=b"a", headers={"content-length": "-1"}).status_code == 413
        assert client.post("/sign-in", content=pieces()).status_code == 413
        assert client.post("/sign-in", content="&".join(f"f{n}=1" for n in range(50))).status_code == 200
        assert not serving.postbox.taken


def test_a_defect_shows_a_page_without_the_reason(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    with serving.client(raise_server_exceptions=False) as client:
        serving.sign_in(client, "m@agency.example")
        answer = client.get("/vi/defect.html")
        assert answer.status_code == 500
        assert "Traceback" not in answer.text
        assert "1,234,567" not in answer.text
        assert client.get(f"/{PAGE}").status_code == 200


def test_the_log_has_every_view_of_who_signed_in_and_no_number_of_a_page(serving: Serving) -> None:
    with serving.client(raise_server_exceptions=False) as client:
        client.get("/vi/person/M.html?token=secret")
        serving.sign_in(client, "m@agency.example")
        for path in (f"/{PAGE}?x=secret", "/vi/person/D.html", "/vi/defect.html", "/assets/pages.css", "/healthz"):
            client.get(path)
        client.post("/sign-out")
    lines = [json.loads(line) for line in serving.log().splitlines()]
    assert [(each["who"], each["method"], each["path"], each["status"], each["publication"]) for each in lines] == [
        ("M", "POST", "/sign-in-link", 303, ""),
        ("M", "GET", "/vi/index.html", 200, "A"),
        ("M", "GET", "/vi/person/D.html", 404, "A"),
        ("M", "GET", "/vi/defect.html", 500, "A"),
        ("M", "POST", "/sign-out", 200, ""),
    ]
    assert {each["at"] for each in lines} == {"2026-10-18T01:00:00+00:00"}
    for word in ("secret", "83.3", serving.postbox.token(), *("1,234,567", "m@agency.example")):
        assert word not in serving.log()


def test_a_page_that_cannot_be_logged_is_not_shown(serving: Serving) -> None:
    with serving.client(raise_server_exceptions=False) as client:
        serving.sign_in(client, "m@agency.example")
        for file in (serving.home.state / "access").iterdir():
            file.unlink()
            file.mkdir()
        answer = client.get(f"/{PAGE}")
        assert answer.status_code == 500
        assert "83.3%" not in answer.text


def test_the_log_is_private_has_one_line_a_view_and_ends_after_its_days(tmp_path: Path) -> None:
    clock, log = Clock(), AccessLog(tmp_path, keep_days=2)
    for _ in range(4):
        log.write(View(clock(), "Đ\n{}", "GET", "/" + "x" * 1000 + "\n", 200, "A"))
        clock.passes(days=1)
    files = sorted((tmp_path / "access").iterdir())
    assert [file.stem for file in files] == ["2026-10-19", "2026-10-20", "2026-10-21"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert all(len(file.read_text().splitlines()) == 1 and len(file.read_text()) < 500 for file in files)


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "state")
    file = tmp_path / "state" / ".pages.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret_key(tmp_path / "state") == first
    assert len(first) == 32
    file.chmod(0o640)
    with pytest.raises(AmkpiError, match="can be read by others"):
        secret_key(tmp_path / "state")
    file.chmod(0o600)
    file.write_bytes(b"short")
    with pytest.raises(AmkpiError, match="damaged"):
        secret_key(tmp_path / "state")


def test_the_secret_of_who_was_first_is_everybodys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: secret_key(tmp_path), range(8)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == [".pages.key"]


def test_before_the_first_publication_the_server_is_healthy_and_says_so(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        cookies = dict(client.cookies)
    serving.home.current.unlink()
    fresh = Serving(serving.home, serving.settings, serving.postbox)
    with fresh.client(cookies=cookies) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get(f"/{PAGE}").status_code == 503
        fresh.ask(client, "m@agency.example")
        assert len(serving.postbox.taken) == 1, "no link for an address that nobody can look up"


def test_the_next_request_after_a_swing_gets_the_new_publication(serving: Serving) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        for identity in ("A", "B", "C"):
            file = serving.publish(identity)
            assert client.get(f"/{PAGE}").text == f"{identity}: M of M 83.3%"
            assert open_files() == {str(file)}
    assert not open_files()


def test_an_old_file_is_not_held_open_while_nobody_asks(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_site, "WATCH_SECONDS", 0.01)
    swung = threading.Event()
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        close = TestSite.close
        monkeypatch.setattr(TestSite, "close", lambda site: (close(site), swung.set()))
        file = serving.publish("B")
        assert swung.wait(30)
        assert open_files() == {str(file)}


def test_a_request_keeps_the_file_that_it_reads_and_closes_it_at_its_end(serving: Serving) -> None:
    current = CurrentSite(serving.home, serving.settings, serving._open)
    with current.lent() as old:
        file = serving.publish("B")
        with current.lent() as new:
            assert (old.publication_id, new.publication_id) == ("A", "B")
            assert len(open_files()) == 2
        assert not serving.sites[0].opened.closed
    assert open_files() == {str(file)}
    current.close()


def test_a_publication_of_before_does_not_come_back(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request looks at the link, and then waits while another one opens what the link names by now."""
    before, now = current_file(serving.home), serving.publish("B")
    looks = iter([before])
    monkeypatch.setattr(current_site, "current_file", lambda home: next(looks, now))
    with CurrentSite(serving.home, serving.settings, serving._open).lent() as opened:
        assert opened.file == now


def test_a_publication_that_cannot_be_read_leaves_readers_the_one_before(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    with serving.client() as client:
        serving.sign_in(client, "m@agency.example")
        good = serving.application.current._open_site

        def broken(file: Path, settings: object) -> TestSite:
            raise AmkpiError("damaged")

        serving.application.current._open_site = broken
        serving.publish("B")
        assert client.get(f"/{PAGE}").text.startswith("A:")
        assert "kpi_B.duckdb" in caplog.text
        serving.application.current._open_site = good
        serving.application.current._refresh(retry=True)
        assert client.get(f"/{PAGE}").text.startswith("B:")


def test_many_readers_while_publications_swing_see_whole_pages_and_leave_no_file_open(serving: Serving) -> None:
    current = CurrentSite(serving.home, serving.settings, serving._open)
    last = "A"
    stop = threading.Event()

    def read(_: int) -> set[str]:
        seen: set[str] = set()
        while not stop.is_set():
            with current.lent() as opened:
                reader = opened.reader("m@agency.example")
                assert reader is not None
                page = opened.page(reader, PAGE)
                assert page is not None
                assert page.body.decode() == f"{opened.publication_id}: M of M 83.3%"
                seen.add(opened.publication_id)
        return seen

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, number) for number in range(8)]
        try:
            for number in range(20):
                last = f"P{number}"
                serving.publish(last)
                with current.lent() as opened:
                    assert opened.site.names is PEOPLE
        finally:
            stop.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert len(seen) > 1
    with current.lent() as opened:
        assert opened.publication_id == last
    assert len(open_files()) == 1
    current.close()
    assert not open_files()


def test_a_page_is_made_once_for_readers_with_the_same_rights_and_never_for_others(serving: Serving) -> None:
    with serving.client() as client:
        for address in ("m@agency.example", "d@agency.example", "m@agency.example"):
            serving.sign_in(client, address)
            client.get(f"/{PAGE}")
            assert client.get(f"/{PAGE}").text == f"A: {'M of M' if address[0] == 'm' else 'D of D,M'} 83.3%"
        assert serving.sites[-1].made == [PAGE, PAGE]
        serving.publish("B", names_of(person("D"), person("M")))
        serving.sign_in(client, "d@agency.example")
        assert client.get(f"/{PAGE}").text == "B: D of D 83.3%"


def test_a_page_that_many_ask_for_at_once_is_made_once(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    current = CurrentSite(serving.home, serving.settings, serving._open)
    another, page = threading.Barrier(2), TestSite.page

    def slow(site: TestSite, reader: Reader, path: str) -> TestAnswer | None:
        # Long enough for another one to come, if another one could.
        with suppress(threading.BrokenBarrierError):
            another.wait(0.5)
        return page(site, reader, path)

    monkeypatch.setattr(TestSite, "page", slow)
    with current.lent() as opened, ThreadPoolExecutor(4) as pool:
        reader = opened.reader("m@agency.example")
        assert reader is not None
        answers = list(pool.map(lambda _: opened.page(reader, PAGE), range(4)))
        assert all(answer is answers[0] for answer in answers)
        assert opened.page(reader, "vi/nothing") is None
        assert not opened._making
    assert serving.sites[-1].made == [PAGE, "vi/nothing"]
    current.close()


def test_rendered_pages_take_only_so_much_memory(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_site, "MOST_CACHED_BYTES", 60)
    current = CurrentSite(serving.home, serving.settings, serving._open)
    with current.lent() as opened:
        reader = opened.reader("d@agency.example")
        assert reader is not None
        for path in ("vi/index1", "vi/index2", "vi/index3", "vi/index4", "vi/index4", "vi/index1"):
            opened.page(reader, path)
        assert opened._bytes <= 60
        assert serving.sites[-1].made == ["vi/index1", "vi/index2", "vi/index3", "vi/index4", "vi/index1"]
    current.close()


@pytest.mark.parametrize(
    ("trusted", "sender", "client"),
    [((), "10.1.2.3", "10.1.2.3"), (("10.0.0.0/8",), "10.1.2.3", "203.0.113.7"),
     (("10.0.0.0/8",), "192.0.2.1", "192.0.2.1"), (("10.0.0.0/8",), "2001:db8::1", "2001:db8::/64"),
     ((), "::ffff:192.0.2.1", "192.0.2.1")],
)  # fmt: skip
def test_only_a_trusted_proxy_says_who_the_client_is(
    start: Start, monkeypatch: pytest.MonkeyPatch, trusted: tuple[str, ...], sender: str, client: str
) -> None:
    serving = start(trusted_proxies=trusted)
    counted: list[str] = []
    monkeypatch.setattr(SignIns, "is_client_within_limit", lambda self, who: counted.append(who) or True)
    made = config(serving.application.sign_in.run, serving.application, "127.0.0.1", 0)
    made.load()
    with TestClient(made.loaded_app, base_url=URL, client=(sender, 1), headers={"origin": URL}) as browser:
        browser.post("/sign-in", data={"address": "x"}, headers={"x-forwarded-for": "198.51.100.1, 203.0.113.7"})
    assert counted == [client]


@pytest.mark.parametrize(
    ("pages", "words"),
    [({"url": ""}, "pages_url"), ({"oidc_issuer": "https://login.example"}, "pages_oidc_client_id"),
     ({"trusted_proxies": ("proxy",)}, "pages_trusted_proxies")],
)  # fmt: skip
def test_a_setting_that_makes_no_safe_pages_is_one_line(start: Start, pages: dict[str, Any], words: str) -> None:
    with pytest.raises(AmkpiError, match=words):
        check(Run(Home.at(Path("/nowhere")), settings_of(**pages), AS_OF))


def test_an_address_that_is_taken_is_one_line() -> None:
    with listening("127.0.0.1", 0) as place, pytest.raises(AmkpiError, match="cannot listen"):
        listening("127.0.0.1", place.getsockname()[1])
    with pytest.raises(AmkpiError, match="cannot listen"):
        listening("no such host.example", 1)
