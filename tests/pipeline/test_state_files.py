"""A damaged file of HOME/state/ is one line with the remedy in every command, and can be restored alone."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from amkpi.access import addresses
from amkpi.alerts.store import AlertStore, Incident
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import closing_register, dismissals, pages_key
from amkpi.core.storage.dismissals import Dismissal
from amkpi.core.storage.migrations import state_stores
from amkpi.core.storage.migrations.state_stores import STORES
from amkpi.expectations import history
from amkpi.ingestion import delivery_log
from amkpi.pipeline import state_files, steps
from amkpi.pipeline.state_files import STATE_FILES
from amkpi.publishing import first_seen
from amkpi.publishing.closing import approval
from amkpi.scorecards.mail.history import History
from tests.command_line import amkpi, failed
from tests.conftest import Agency

CLIENT = "client_id,client_name\nC,Trà\n"
OTHER = "client_id,client_name\nD,Khác\n"
NAMES = [file.name for file in STATE_FILES]
DATABASES = {store.name for store in STORES}


def newer(file: Path) -> None:
    if file.name in DATABASES:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("pragma user_version = 99")
    else:
        file.write_text('{"layout": 99}\n' if file.suffix == ".json" else "of a format that is not known yet\n")


def other_tables(file: Path) -> None:
    file.unlink()
    if file.name in DATABASES:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("create table others (a)")
    else:
        file.write_text('["another", "form"]\n')
        file.chmod(0o600)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeroes": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "text": lambda file: file.write_bytes(b"\xff no database, but long enough to be looked into" * 300),
    "newer": newer,
    "other": other_tables,
}
COMMANDS = (
    ("status", "--format", "json"),
    ("load",),
    ("quarantine",),
    ("addresses",),
    ("alerts",),
    ("close", "--verify"),
    ("close", "2026-09", "--by", "An"),
    ("backup",),
)


def stored(agency: Agency) -> Agency:
    """A home with a file loaded, and something in every file of HOME/state/."""
    agency.load({"clients/a.csv": CLIENT})
    home, now = agency.home, agency.moment
    for store in STORES:
        with store.open(home.state):
            pass
    addresses.observe(home.state, [("A", "a@x.example")], now)
    addresses.observe(home.state, [("A", "b@x.example")], now)
    AlertStore(home).raise_(Incident("task-failed", "load_extracts.load", "why"), now)
    dismissals.add(home.state, [Dismissal("clients", 1, 2, "An", "why", now)])
    first_seen.first_seen(home.state, "adjustment", ["key"], now, keep=True)
    approval.refuse(home, "2026-09", "An", now)
    with state_stores.AUDITS.open(home.state) as audits:
        audits.execute("insert into audits values (1, '2026-10-18T01:00:00+00:00', 'id', '2026-10-17', 1, 1, 'page')")
    with state_stores.SCORECARDS.open(home.state) as scorecards:
        cells = ["month", "2026-09", "closed", "A", "a@x.example", "id", 1, "0.2", "<1@x>", "sent",
                 "2026-10-18T01:00:00+00:00", "250", 1, "[]", "2026-10-17", "{}"]  # fmt: skip
        scorecards.execute(f"insert into sendings values ({', '.join('?' * len(cells))})", cells)
    closing_register.begin(home)
    pages_key.secret_key(home.state)
    return agency


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return stored(Agency.at(tmp_path_factory.mktemp("stored") / "home"))


@pytest.fixture
def own(original: Agency, tmp_path: Path) -> Agency:
    return original.copy(tmp_path / "home")


def test_every_file_of_the_folder_is_known_and_can_be_used(original: Agency) -> None:
    assert state_files.problems(original.home, whole=True) == ()
    there = {path.name for path in original.home.state.iterdir() if path.name != "lock"}
    assert there == set(NAMES)
    assert all(file.holds and file.lost for file in STATE_FILES)


@pytest.mark.parametrize("name", NAMES)
def test_status_names_the_damaged_file_with_its_remedy_and_shows_the_rest(own: Agency, name: str) -> None:
    file = own.home.state / name
    before = file.read_bytes()
    for damage, spoil in DAMAGES.items():
        spoil(file)
        ended = amkpi(own.home.root, "status")
        shown = " ".join((ended.stdout + ended.stderr).split())
        assert ended.code == 0, (damage, shown)
        assert str(file) in shown or (name, damage) == ("layout.json", "newer"), (damage, shown)
        remedies = (f"amkpi restore BACKUP --only {name}", "install that version", "remove it and start again")
        assert any(each in shown for each in remedies), (damage, shown)
        assert "waiting 0 files" in shown, damage
        assert len(state_files.problems(own.home)) == 1, damage
        file.write_bytes(before)
    assert state_files.problems(own.home) == ()


@pytest.mark.parametrize("name", NAMES)
def test_no_command_ends_with_a_traceback_by_a_damaged_file(own: Agency, name: str) -> None:
    """Each command with another damage: all pairs of a file with a command, and of a file with a damage."""
    file = own.home.state / name
    before = file.read_bytes()
    own.deliver({"clients/b.csv": OTHER})
    for place, command in enumerate(COMMANDS):
        spoil = list(DAMAGES.values())[(place + NAMES.index(name)) % len(DAMAGES)]
        spoil(file)
        ended = amkpi(own.home.root, *command, AMKPI_LANDING=str(own.home.landing))
        assert ended.code in (0, 1, 3), (command, ended)
        if ended.code and file.name in ended.stderr:
            assert len(ended.stderr.strip().splitlines()) == 1, (command, ended.stderr)
        file.write_bytes(before)
        file.chmod(0o600)


def test_a_store_is_never_begun_again_in_an_empty_file(own: Agency) -> None:
    """Else what was sent would be forgotten without a word, and sent again."""
    file = own.home.state / "scorecards.sqlite"
    file.write_bytes(b"")
    with pytest.raises(AmkpiError, match=r"scorecards\.sqlite is damaged: it is empty; .*get their scorecards again"):
        History(own.home.state).read()
    with pytest.raises(AmkpiError, match="it is empty"):
        History(own.home.state).note_for_operator("digest")
    assert file.read_bytes() == b""


def test_a_row_that_cannot_be_read_is_one_line_too(own: Agency) -> None:
    readers: dict[str, tuple[str, Callable[[Home], object]]] = {
        "delivery_log.sqlite": ("update deliveries set loaded_at = 'x'", lambda home: delivery_log.read(home.state)),
        "audits.sqlite": ("update audits set as_of = 'x'", history.last_audit),
        "scorecards.sqlite": ("update sendings set told = '[1'", lambda home: History(home.state).read()),
        "alarms.sqlite": ("update alarms set since = ''", lambda home: AlertStore(home).open_alerts()),
        "dismissals.sqlite": ("update dismissals set at = 'x'", lambda home: dismissals.read(home.state)),
        "closing_requests.sqlite": ("update refused set start = '2026'", approval._refused),
        "addresses.sqlite": ("update changes set seen = 'x'", lambda home: addresses.changes(home.state)),
        "first_seen.sqlite": (
            "update first_seen set at = 'x'",
            lambda home: first_seen.first_seen(home.state, "adjustment", [], own.moment, keep=False),
        ),
    }
    assert readers.keys() == DATABASES - {"sign_ins.sqlite", "erasures.sqlite"}, "of these no text is decoded"
    for name, (statement, read) in readers.items():
        read(own.home)
        with closing(sqlite3.connect(own.home.state / name)) as connection, connection:
            assert connection.execute(statement).rowcount == 1, name
        with pytest.raises(AmkpiError, match=rf"{name} is damaged: a row of it cannot be read: .*--only {name}"):
            read(own.home)


def test_housekeeping_reads_every_page_and_names_all_that_is_damaged(own: Agency) -> None:
    assert steps.check_state(own.run) == len(STATE_FILES)
    for name in ("audits.sqlite", "delivery_log.sqlite"):
        content = bytearray((own.home.state / name).read_bytes())
        content[-4096:-4000] = b"\xff" * 96  # the last page, which no opening reads
        (own.home.state / name).write_bytes(content)
    assert state_files.problems(own.home) == ()
    with pytest.raises(AmkpiError, match=r"delivery_log\.sqlite is damaged: .*; .*audits\.sqlite is damaged: "):
        steps.check_state(own.run)


def test_one_file_comes_back_from_a_backup_and_all_else_stays(own: Agency) -> None:
    report, _ = steps.back_up(own.run)
    own.load({"clients/b.csv": OTHER})
    deliveries = delivery_log.read(own.home.state)
    for name in [file.name for file in STATE_FILES if file.in_backup]:
        file = own.home.state / name
        before = file.read_bytes()
        file.write_bytes(b"damaged")
        if name in DATABASES:
            (own.home.state / f"{name}-journal").write_bytes(b"of the damaged file")
        ended = amkpi(own.home.root, "restore", str(report.folder), "--only", name)
        assert ended.code == 0, ended
        assert f"replaced-{own.moment:%Y%m%d}" not in ended.stderr
        assert [path.read_bytes() for path in own.home.state.glob(f".{name}.replaced-*")] == [b"damaged"]
        journals = [path.read_bytes() for path in own.home.state.glob(f".{name}-journal.replaced-*")]
        assert journals == [b"of the damaged file"] * (name in DATABASES)
        assert name != "closings.jsonl" or file.read_bytes() == before
    assert state_files.problems(own.home, whole=True) == ()
    assert len(delivery_log.read(own.home.state)) == len(deliveries) - 1
    own.load()
    assert delivery_log.read(own.home.state) == deliveries, "the next run writes what the warehouse has"
    kept = steps.back_up(own.run)[0].folder / "state"
    assert not [path for path in kept.iterdir() if "replaced" in path.name], "what was replaced is in no backup"


def test_what_cannot_be_restored_alone_is_told_and_changes_nothing(own: Agency, tmp_path: Path) -> None:
    folder = steps.back_up(own.run)[0].folder
    file = own.home.state / "audits.sqlite"
    before = file.read_bytes()
    (folder / "state" / "audits.sqlite").write_bytes(b"damaged")
    (folder / "state" / "alarms.sqlite").unlink()
    for name, said in (
        ("audits.sqlite", "audits.sqlite is damaged: nothing was restored; use another backup"),
        ("alarms.sqlite", "cannot restore"),
        (".pages.key", "no file '.pages.key' of HOME/state/ can be restored; there are addresses.sqlite, "),
        ("../amkpi.toml", "no file '../amkpi.toml' of HOME/state/ can be restored"),
    ):
        assert said in failed(amkpi(own.home.root, "restore", str(folder), "--only", name), 1)
    assert file.read_bytes() == before
    assert not list(own.home.state.glob(".*part*"))
    shutil.rmtree(folder / "state")
    (folder / "manifest.json").write_text('{"made_at": "2026-10-18T01:00:00+00:00", "files": {}}')
    line = failed(amkpi(own.home.root, "restore", str(folder), "--only", "audits.sqlite"), 1)
    assert "has no state/audits.sqlite: use another backup" in line


def test_a_backup_names_the_store_that_is_damaged(own: Agency) -> None:
    (own.home.state / "alarms.sqlite").write_bytes(b"no database, but long enough to be looked into" * 100)
    with pytest.raises(AmkpiError, match=r"no backup was made: .*alarms\.sqlite cannot be copied: file is not"):
        steps.back_up(own.run)
    (own.home.state / "alarms.sqlite").write_bytes(b"")
    with pytest.raises(AmkpiError, match=r"no backup was made: .*alarms\.sqlite cannot be copied: it is empty"):
        steps.back_up(own.run)


def test_two_processes_that_begin_a_store_at_once_get_one_file(tmp_path: Path) -> None:
    store = state_stores.DISMISSALS
    with store.open(tmp_path) as connection:
        connection.execute("insert into dismissals values ('clients', 1, 2, 'An', 'why', 'at')")
    partial = tmp_path / f".{store.name}.part"
    store._create(tmp_path / store.name)
    with store.open(tmp_path) as connection:
        assert connection.execute("select count(*) from dismissals").fetchone() == (1,)
    assert [path.name for path in tmp_path.iterdir()] == [store.name], partial
