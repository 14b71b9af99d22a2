"""The staff of one block: its account hierarchy, the reviewers of other departments, and what happens to them."""

import random
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from amkpi.sample_agency.landing import Landing
from amkpi.sample_agency.names import Directory
from amkpi.sample_agency.timeline import Day, Stories, Window, iso

DIRECTOR = "account_director"
GROUP_DIRECTOR = "group_account_director"
MANAGER = "account_manager"
SENIOR_MANAGER = "senior_account_manager"
EXECUTIVE = "account_executive"
ACCOUNT_ROLES = (EXECUTIVE, MANAGER, SENIOR_MANAGER, DIRECTOR, GROUP_DIRECTOR)

# The people of other departments, who review the account people: department, role, and their number in a full block.
_OTHER_ROLES = (
    ("creative", "creative_director", 1), ("creative", "art_director", 2), ("creative", "copywriter", 3),
    ("creative", "designer", 3), ("media", "media_director", 1), ("media", "media_planner", 3),
    ("media", "media_buyer", 2), ("planning", "planning_director", 1), ("planning", "strategic_planner", 3),
    ("production", "executive_producer", 1), ("production", "producer", 3), ("finance", "finance_manager", 1),
    ("finance", "accountant", 1),
)  # fmt: skip


@dataclass(frozen=True)
class Post:
    """One row of a person's history: role and manager from a day on."""

    valid_from: Day
    role: str
    manager_id: str
    is_active: bool = True


@dataclass(frozen=True)
class Person:
    """Somebody of the agency. `skill` is about normal with a deviation of 0.35; 0 is an ordinary colleague."""

    staff_id: str
    full_name: str
    email: str
    locale: str
    department: str
    skill: float
    posts: tuple[Post, ...]


@dataclass(frozen=True)
class Cast:
    """The person of each story; an empty id where the block is too small for the story."""

    group_director: str
    directors: tuple[str, ...]
    managers: tuple[str, ...]
    executives: tuple[str, ...]
    star_director: str = ""
    troubled_director: str = ""
    gives_clients: str = ""
    takes_clients: str = ""
    promoted: str = ""
    promoted_colleague: str = ""
    leaver: str = ""
    reorganised: str = ""
    new_hire: str = ""
    leaving_executive: str = ""
    on_leave_executive: str = ""


@dataclass
class Org:
    """The organisation by day. Results are cached for the time between two changes."""

    people: dict[str, Person]
    cast: Cast
    stories: Stories
    _changes: list[Day] = field(default_factory=list)
    _executives: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    _forms: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        days = {post.valid_from for person in self.people.values() for post in person.posts}
        self._changes = sorted(days | {self.stories.trouble})

    def post(self, staff_id: str, day: Day) -> Post | None:
        """The row of the person's history that holds on the day."""
        held = None
        for post in self.people[staff_id].posts:
            if post.valid_from <= day:
                held = post
        return held

    def is_active(self, staff_id: str, day: Day) -> bool:
        post = self.post(staff_id, day)
        return post is not None and post.is_active

    def is_under(self, staff_id: str, above: str, day: Day) -> bool:
        """Whether `above` is over the person, directly or through others."""
        post = self.post(staff_id, day)
        while post is not None and post.manager_id in self.people:
            if post.manager_id == above:
                return True
            post = self.post(post.manager_id, day)
        return False

    def executives(self, above: str, day: Day) -> tuple[str, ...]:
        """The active executives under a person on a day."""
        key = (above, bisect_right(self._changes, day))
        if key not in self._executives:
            self._executives[key] = tuple(
                person.staff_id
                for person in self.people.values()
                if (post := self.post(person.staff_id, day)) is not None
                and post.role == EXECUTIVE
                and post.is_active
                and self.is_under(person.staff_id, above, day)
            )
        return self._executives[key]

    def form(self, staff_id: str, day: Day) -> float:
        """How good a person's work is on a day: skill plus the state of the team; 0 is average."""
        key = (staff_id, bisect_right(self._changes, day))
        if key not in self._forms:
            form = self.people[staff_id].skill
            if self._is_in_team_of(staff_id, self.cast.star_director, day):
                form += 0.7
            if day >= self.stories.trouble and self._is_in_team_of(staff_id, self.cast.troubled_director, day):
                form -= 2.0
            self._forms[key] = form
        return self._forms[key]

    def _is_in_team_of(self, staff_id: str, director: str, day: Day) -> bool:
        return bool(director) and (staff_id == director or self.is_under(staff_id, director, day))


@dataclass
class _Hiring:
    """Makes people with names, ids and a first post that began before the first month."""

    rng: random.Random
    landing: Landing
    directory: Directory
    window: Window

    def hire(self, role: str, department: str, manager_id: str, *, since: Day | None = None) -> Person:
        name, email = self.directory.person(self.rng)
        began = since or self.window.first - 30 - int(self.rng.random() * 1500)
        locale = "en" if self.rng.random() < 0.08 else "vi"
        skill = max(-0.7, min(0.7, self.rng.gauss(0, 0.35)))
        staff_id = self.landing.new_id("staff")
        return Person(staff_id, name, email, locale, department, skill, (Post(began, role, manager_id),))


def hire_chief(rng: random.Random, landing: Landing, directory: Directory, window: Window) -> Person:
    """The managing director. Everybody reports to this person, who is no account staff."""
    return _Hiring(rng, landing, directory, window).hire("managing_director", "management", "")


def hire_block(
    rng: random.Random, landing: Landing, directory: Directory, window: Window, size: float, number: int, chief: str
) -> Org:
    """The people of a block. `size` (above 0, at most 1): its share of a full one, 31 account people and 25 others."""
    hiring = _Hiring(rng, landing, directory, window)
    group = hiring.hire(GROUP_DIRECTOR, "account", chief)
    directors = [hiring.hire(DIRECTOR, "account", group.staff_id) for _ in range(max(1, round(3 * size)))]
    managers = []
    manager_count = max(2, round(8 * size))
    for index in range(manager_count):
        role = SENIOR_MANAGER if index % 3 == 0 else MANAGER
        above = directors[index * len(directors) // manager_count]
        managers.append(hiring.hire(role, "account", above.staff_id))
    executives = [
        hiring.hire(EXECUTIVE, "account", managers[index % manager_count].staff_id)
        for index in range(max(2, round(18 * size)))
    ]
    stories = Stories.drawn(rng, window)
    newcomer = None
    if manager_count >= 4 and window.months >= 4:
        newcomer = hiring.hire(MANAGER, "account", directors[-1].staff_id, since=stories.new_hire)
    cast = _cast(rng, window, number, group, directors, managers, executives, newcomer)
    people = {person.staff_id: person for person in (group, *directors, *managers, *executives)}
    if newcomer is not None:
        people[newcomer.staff_id] = newcomer
    _play(people, cast, stories)
    for department, role, count in _OTHER_ROLES:
        for _ in range(max(1, round(count * size)) if size > 0.5 or role.endswith(("director", "manager")) else 1):
            person = hiring.hire(role, department, chief)
            people[person.staff_id] = person
    return Org(people, cast, stories)


def _cast(
    rng: random.Random,
    window: Window,
    number: int,
    group: Person,
    directors: list[Person],
    managers: list[Person],
    executives: list[Person],
    newcomer: Person | None,
) -> Cast:
    """Chooses the people of the stories.

    The first block has all stories if it is full and the window is long enough. Later blocks only have teams that do
    well or badly.
    """
    ids = [person.staff_id for person in directors]
    if number == 0:
        star, troubled = ids[0], ids[1] if len(ids) > 1 else ""
    else:
        star = rng.choice([*ids, "", ""])
        troubled = rng.choice([*(one for one in ids if one != star), ""])
    full = Cast(
        group_director=group.staff_id,
        directors=tuple(ids),
        managers=tuple(person.staff_id for person in managers),
        executives=tuple(person.staff_id for person in executives),
        star_director=star,
        troubled_director=troubled,
        gives_clients=managers[0].staff_id,
        takes_clients=managers[1].staff_id,
        new_hire=newcomer.staff_id if newcomer else "",
    )
    if len(managers) < 6 or len(executives) < 2 * len(managers) or window.months < 6:
        return full
    colleague = managers[-2]
    # An executive of the second to last team is promoted. The second executive of the first team leaves. The first
    # executive of the third team is on leave for some months.
    return replace(
        full,
        promoted=executives[len(managers) - 2].staff_id,
        promoted_colleague=colleague.staff_id,
        leaver=managers[-1].staff_id,
        reorganised=managers[-3].staff_id,
        leaving_executive=executives[len(managers)].staff_id,
        on_leave_executive=executives[2].staff_id,
    )


def _play(people: dict[str, Person], cast: Cast, stories: Stories) -> None:
    """Writes the stories into the histories."""

    def change(staff_id: str, day: Day, *, role: str = "", manager_id: str = "", is_active: bool = True) -> None:
        person = people[staff_id]
        last = person.posts[-1]
        post = Post(day, role or last.role, manager_id or last.manager_id, is_active)
        people[staff_id] = replace(person, posts=(*person.posts, post))

    if not cast.promoted:
        return
    change(cast.reorganised, stories.reorganisation, manager_id=cast.directors[-1])
    change(cast.promoted, stories.promotion, role=MANAGER, manager_id=cast.directors[-1])
    change(cast.leaving_executive, stories.executive_leaves, is_active=False)
    change(cast.on_leave_executive, stories.leave_begins, is_active=False)
    change(cast.on_leave_executive, stories.leave_ends)
    # The leaver's executives move to the promoted colleague on the same day.
    for executive in cast.executives:
        if people[executive].posts[-1].manager_id == cast.leaver:
            change(executive, stories.manager_leaves, manager_id=cast.promoted)
    change(cast.leaver, stories.manager_leaves, is_active=False)


def staff_rows(people: dict[str, Person], window: Window) -> list[tuple[str, ...]]:
    """The extract `staff`: one row for each post that began by as_of."""
    return [
        (
            person.staff_id, iso(post.valid_from), person.full_name, person.email, post.role, person.department,
            post.manager_id, person.locale, "true" if post.is_active else "false",
        )
        for person in people.values()
        for post in person.posts
        if post.valid_from <= window.as_of
    ]  # fmt: skip
