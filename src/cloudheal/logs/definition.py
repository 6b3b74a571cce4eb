"""What an operator wants counted in a log, as records that every stage of log monitoring hands on.

No YAML, no files and no clock here: the settings make these records, the counter obeys them, statistics and alarms
read them. Names of fields are those of the format; `line` is always there and is the whole line.

A number is kept as an integer of 10**-digits of its unit, because sums of integers are the same in every order, in
every engine and over every machine. A `request_time` of 0.032 with three digits is 32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cloudheal.model.resource import ResourceId

#: The field that every format has: the line itself, for filters that look for a word.
LINE = "line"


class Kind(StrEnum):
    """What the values of a field are."""

    TEXT = "text"
    NUMBER = "number"


class Several(StrEnum):
    """What one number comes of where a server writes several: `0.010, 0.022 : 0.001` of three tries upstream."""

    SUM = "sum"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a line. `-` and nothing at all mean that it is missing, which is no mistake.

    `written`: the log writes the number larger by so many powers of ten than its unit. Apache's `%D` is a time of six
    digits written in microseconds: 32000 is 0.032 s, and 32000 units.
    """

    name: str
    kind: Kind = Kind.TEXT
    digits: int = 0
    several: Several | None = None
    written: int = 0


class Style(StrEnum):
    """How a line is taken apart."""

    TEMPLATE = "template"
    JSON = "json"
    KEYVALUE = "key_value"
    REGEX = "regex"


class Ends(StrEnum):
    """Where the text of a variable ends in a template.

    PLAIN: before the first byte of what follows; where that is a quotation mark, one behind a backslash does not end
    it. SPACED: as PLAIN, but spaces may be inside, because servers write names of users as they came. LISTED: as PLAIN,
    but `, ` and ` : ` are inside.
    """

    PLAIN = "plain"
    SPACED = "spaced"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: what stands there literally, or the name of a variable and how its text ends."""

    literal: bytes = b""
    variable: str = ""
    ends: Ends = Ends.PLAIN


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How the lines of a log are read; made by `formats`, which checks it.

    `time` names the variable that carries the time of a line; empty in KEYVALUE when the line begins with it. `zone` is
    the offset, in seconds east of UTC, of times that do not say theirs; without it such a line is refused.
    """

    style: Style
    text: str
    fields: tuple[Field, ...]
    time: str
    parts: tuple[Part, ...] = ()
    zone: int | None = None

    def field(self, name: str) -> Field | None:
        """Return the field of this name."""
        if name == LINE:
            return Field(LINE)
        return next((one for one in self.fields if one.name == name), None)


class Operator(StrEnum):
    """How a field is compared. The four of order are for numbers, the two of content for texts."""

    EQUAL = "="
    UNEQUAL = "!="
    ABOVE = ">"
    FROM = ">="
    BELOW = "<"
    UP_TO = "<="
    CONTAINS = "contains"
    LACKS = "notContains"


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a value, which is written as in the log. A missing number meets no comparison, `!=` included."""

    field: str
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Met when every part is."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Met when at least one part is."""

    parts: tuple[Filter, ...]


Filter = Compare | AllOf | AnyOf


class Function(StrEnum):
    """What is made of a field in a window."""

    COUNT = "count"
    COUNT_PER_SECOND = "countps"
    SUM = "sum"
    SUM_PER_SECOND = "sumps"
    AVERAGE = "avg"
    LEAST = "min"
    MOST = "max"
    DISTINCT = "distinct"
    PERCENTILE = "percentile"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a metric. `argument`: the percentile asked for, or the ascending bounds of a distribution.

    Bounds are in the field's own unit (0.5 s, not 500); each class is left-open and right-closed.
    """

    alias: str
    function: Function
    field: str
    argument: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """A figure made of others of the same window, such as `errors / total * 100`."""

    alias: str
    expression: str


@dataclass(frozen=True, slots=True)
class Metric:
    """What is counted: which lines, by which fields, which figures, in windows of so many minutes, how many series.

    `further` are longer windows that are shown and watched as well.
    """

    name: str
    where: Filter | None = None
    by: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    derived: tuple[Derived, ...] = ()
    minutes: int = 1
    most: int = 1000
    further: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class UrlRule:
    """A regular expression and what replaces it in URLs."""

    pattern: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Urls:
    """The field whose values are normalised before they are grouped, compared or counted; see `urls`."""

    field: str = "url"
    rules: tuple[UrlRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """One log and all that is counted in it.

    `late`: how many seconds after its minute a line may still come. `ahead`: how many seconds its times may be before
    the clock; later ones are none to count. `guessed`: what to write as the format where nobody did.
    `olddir`: the folder into which rotation moves files.
    """

    name: str
    files: tuple[str, ...]
    format: LineFormat
    metrics: tuple[Metric, ...]
    urls: Urls | None = None
    resource: ResourceId | None = None
    group: str = ""
    late: int = field(default=60)
    ahead: int = 300
    guessed: str = ""
    olddir: str = ""
