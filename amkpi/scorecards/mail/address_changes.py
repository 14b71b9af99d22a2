"""The mails about changed addresses: to the old address and to the operator, before the new one gets anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from amkpi.access import addresses
from amkpi.access.addresses import Change
from amkpi.access.names import Names, read_names
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import plain
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.core.run import Progress, Run, silent
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.history import State
from amkpi.scorecards.mail.messages import OutgoingMail, note, sender_address
from amkpi.scorecards.mail.smtp import NoConnection
from amkpi.scorecards.recipients import locale_language

Deliver = Callable[[OutgoingMail], tuple[State, str]]


def announce(run: Run, deliver: Callable[[], Deliver], progress: Progress = silent) -> None:
    """Tell the old addresses and the operator of the changes that nobody was told of, then confirm what is due.

    deliver: opens the mail server, asked for only when there is something to send. What cannot be sent now is sent by
    the next call; until then the address is held. Raises AmkpiError for a state store that cannot be used.
    """
    waiting = [each for each in addresses.changes(run.home.state) if each.told is None]
    if waiting and run.home.current.exists():
        with published(run.home, run.settings) as connection:
            names = read_names(connection)
        # Who has left gets nothing, so nothing is held from them.
        active = [each for each in waiting if (person := names.people.get(each.staff_id)) and person.is_active]
        try:
            if active:
                _tell(run, active, names, deliver(), progress)
        except NoConnection as error:
            progress(f"a changed address could not be told: {error}")
    addresses.settle(run.home, run.settings.mail.address_hold_hours, run.now())


def _tell(run: Run, waiting: Sequence[Change], names: Names, deliver: Deliver, progress: Progress) -> None:
    state = run.home.state
    for change in waiting:
        if change.old_told is None:
            try:
                mail = _to_old(run, change, names)
            except AmkpiError:
                # What is no address never got anything, and cannot be told.
                addresses.mark_old_told(state, change, "it is no address", run.now())
                continue
            outcome, answer = deliver(mail)
            progress(f"address of {change.staff_id}: the old one was told: {outcome}")
            # A server that refuses the old address will refuse it tomorrow too: the operator is told of it.
            if outcome != "deferred":
                addresses.mark_old_told(state, change, "" if outcome == "sent" else f"{outcome}: {answer}", run.now())
    ready = [
        each
        for each in addresses.changes(state)
        if each.old_told and each.told is None and each.staff_id in {change.staff_id for change in waiting}
    ]
    if not ready:
        return
    if run.settings.mail.operator:
        outcome, answer = deliver(_to_operator(run, ready, names))
        progress(f"the operator was told of {len(ready)} changed addresses: {outcome}")
        told = ready if outcome in ("sent", "uncertain") else []
    else:
        # Without an operator the old address alone can object: then it must have got the mail.
        told = [each for each in ready if not each.old_answer]
    for change in told:
        addresses.mark_told(state, change, run.now())


def _to_old(run: Run, change: Change, names: Names) -> OutgoingMail:
    person = names.people[change.staff_id]
    language = locale_language(person.locale, run.settings.scorecards.language)
    t, settings = Translator(language).t, run.settings.mail
    lines = [
        t(
            "{name} ({id}): your address for KPI scorecards was changed in the staff data.",
            name=plain(person.full_name),
            id=plain(change.staff_id),
        ),
        t("Old address: {old}", old=plain(change.old)),
        t("New address: {new}", new=plain(change.new)),
        _until(run, language),
    ]
    lines.append(
        t("If this is wrong, write to {operator} at once.", operator=plain(settings.operator))
        if settings.operator
        else t("If this is wrong, tell who keeps the staff data at once.")
    )
    return _mail(run, change.old, t("Your address for KPI scorecards changes"), "\n\n".join(lines), [change])


def _to_operator(run: Run, told: Sequence[Change], names: Names) -> OutgoingMail:
    language = run.settings.scorecards.language
    translator = Translator(language)
    lines = [translator.t("These addresses were changed in the staff data:"), ""]
    for change in told:
        person = names.people[change.staff_id]
        lines.append(
            f"- {plain(person.full_name)} ({plain(change.staff_id)}): {plain(change.old)} → {plain(change.new)}"
        )
        if change.old_answer:
            lines.append(
                "  " + translator.t("The old address did not get the notice: {answer}", answer=plain(change.old_answer))
            )
    lines += ["", _until(run, language), "", translator.t("To confirm one at once: amkpi addresses --confirm STAFF_ID")]
    subject = translator.n("{n} changed address is held", "{n} changed addresses are held", len(told))
    return _mail(run, run.settings.mail.operator, subject, "\n".join(lines), told)


def _until(run: Run, language: Language) -> str:
    """Until when the new address gets nothing."""
    hours = run.settings.mail.address_hold_hours
    moment = (run.now() + timedelta(hours=hours)).astimezone(run.settings.zone)
    return Translator(language).t(
        "The new address gets no scorecard and no sign-in link before {time}, or until the change is confirmed.",
        time=_shown(moment),
    )


def _shown(moment: datetime) -> str:
    return f"{moment:%H:%M %d/%m/%Y}"


def _mail(run: Run, to: str, subject: str, body: str, about: Sequence[Change]) -> OutgoingMail:
    sender = sender_address(run.settings.mail.sender)
    recipient = sender_address(to)
    basis = "\n".join([to, *(f"{each.staff_id}\n{each.old}\n{each.new}\n{each.seen}" for each in about)])
    digest = hashlib.sha256(basis.encode()).hexdigest()[:32]
    content = note(sender, recipient, subject, body + "\n", run.now(), digest)
    return OutgoingMail("", recipient.addr_spec, "", "", "", "", "", content, ())
