"""Errors of a settings file, and those that end a command, in Chinese, for whoever writes `language: zh` into it.

The models say in English what they expected, wherever they are used. What a person reads at the command line goes
through here: the place stays, the sentence is looked up by its form. One that is not known stays as it is, because a
sentence in the other language says more than none. Words that belong into the file are never translated.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloudheal.cli.fault_texts import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Where a sentence stands: the file, its line, the field.
_PLACE = re.compile(r"(?P<place>.*?:\d+: (?:[\w.-]+: )?)(?P<said>.+?)(?P<code> \[[\w.]+\])?")
_CODE = re.compile(r"(?P<said>.+?)(?P<code> \[[\w.]+\])?")
_MEANT = re.compile(r"(?P<said>.+?); did you mean (?P<word>.+?)\?")
_LANGUAGE = re.compile(r"^language:\s*[\"']?zh\b", re.MULTILINE)
_USUAL = "cloudheal.yaml"

#: A sentence by its form, and what it is in Chinese; `{0}` is what the first pair of brackets holds.
SENTENCES: Final[tuple[tuple[str, str], ...]] = (
    (r"Field required", "必填"),
    (r"no event has this field", "事件没有这个字段"),
    (r"Extra inputs are not permitted", "没有这个字段"),
    (r"Input should be a valid string; write it in quotes", "应为文本，请加引号"),
    (r"Input should be a valid string", "应为文本"),
    (r"Input should be a valid integer.*", "应为整数"),
    (r"Input should be a valid number.*", "应为数字"),
    (r"Input should be a valid boolean.*", "应为 true 或 false"),
    (r"Input should be a valid (?:list|tuple)", "应为列表"),
    (r"Input should be a valid dictionary.*", "应为一组“键: 值”"),
    (r"Input should be greater than or equal to (.+)", "不得小于 {0}"),
    (r"Input should be less than or equal to (.+)", "不得大于 {0}"),
    (r"Input should be greater than (.+)", "必须大于 {0}"),
    (r"Input should be less than (.+)", "必须小于 {0}"),
    (r"Input should be (.+)", "应为 {0}"),
    (r"String should match pattern (.+)", "不符合写法 {0}"),
    (r"String should have at least (\d+) characters?", "至少 {0} 个字符"),
    (r"String should have at most (\d+) characters?", "至多 {0} 个字符"),
    (r"(?:List|Tuple) should have at least (\d+) items? after validation, not (\d+)", "至少 {0} 项，现有 {1} 项"),
    (r"(?:List|Tuple) should have at most (\d+) items? after validation, not (.+)", "至多 {0} 项，现有 {1} 项"),
    (r"not YAML: (.+)", "不是 YAML：{0}"),
    (r"written twice here; only one of them would count", "在这里写了两次，只有一个会生效"),
    (r"not UTF-8 text at byte (\d+)", "第 {0} 字节处不是 UTF-8 文本"),
    (r"(.+): larger than (\d+) bytes", "{0}：超过 {1} 字节"),
    (r"(.+): No such file or directory", "{0}：没有这个文件"),
    (r"(.+): Permission denied", "{0}：没有读取权限"),
    (r"expected a duration such as (.+), got (.+)", "应为时长，例如 {0}；写的是 {1}"),
    (r"expected a time such as (.+), got (.+)", "应为时刻，例如 {0}；写的是 {1}"),
    (r"expected a role such as (.+), got (.+)", "应为角色，例如 {0}；写的是 {1}"),
    (r"expected a statistic such as (.+), got (.+)", "应为统计，例如 {0}；写的是 {1}"),
    (r"expected a comparison such as (.+), got (.+)", "应为比较，例如 {0}；写的是 {1}"),
    (
        r"expected (\S+) or more, got (\S+): the queue tells .+",
        "不得小于 {0}，写的是 {1}：队列会告知变化，查询过密只会耗尽预案所需的 API 配额",
    ),
    (r"expected (\S+) or more, got (\S+)", "不得小于 {0}，写的是 {1}"),
    (r"expected more than 0s and at most (\S+), got (\S+)", "应大于 0s 且不超过 {0}，写的是 {1}"),
    (r"expected at most (\S+), got (\S+)", "不得大于 {0}，写的是 {1}"),
    (r"expected HOST:PORT, got (.+)", "应为“主机:端口”，写的是 {0}"),
    (r"expected at least one of accounts and logs", "accounts 和 logs 至少写一个"),
    (r"expected (\S+) or (\S+), got both", "{0} 与 {1} 只能写一个"),
    (r"expected one of (.+), got (.+)", "应为以下之一：{0}；写的是 {1}"),
    (r"expected one of (.+)", "应为以下之一：{0}"),
    (r"expected an address that begins with (.+)", "应为以 {0} 开头的地址"),
    (r"expected the name of another queue, got that of this one", "应为另一个队列的名字，写的是本队列"),
    (
        r"expected minutes to be kept for less time than quarters, .+",
        "minutes 的保存时间应短于 quarters，quarters 应短于 hours",
    ),
    (
        r"the role is of account (\S+), and id: of this one is (\S+); .+",
        "角色属于账号 {0}，而这里的 id: 是 {1}；请改正其一",
    ),
    (r"Tencent Cloud has no such (.+); leave it out", "腾讯云没有 {0}，请删去"),
    (r"only accounts of Tencent Cloud have (.+); leave it out", "只有腾讯云的账号有 {0}，请删去"),
    (r"all: true stands alone; .+", "all: true 只能单独出现；要按其他字段选择，请删去它"),
    (r"two (?:rules|metrics|alarms) are named (.+?)(?:; .+)?", "重名：{0}"),
    (r"two (?:logs|outlets|sources) have the same name", "有两个同名"),
    (r"two targets have one name", "有两个接收方同名"),
    (r"every target is `second`; who is told first\?", "所有接收方都是 `second`；先通知谁？"),
    (r"a (?:group|field) is named twice", "同一个名字写了两次"),
    (
        r"only a source with the proof signed may ship the logs of hosts",
        "只有 proof 为 signed 的来源可以送来主机的日志",
    ),
    (r"an address here holds no login: .+", "地址里不写登录信息：请在 secret_env 写明保存它的环境变量"),
    (r"what goes to a webhook is signed: .+", "送往 webhook 的内容要签名：请写 secret_env 和 source"),
    (r"a shipment to another cloudheal is signed: .+", "送往另一个 cloudheal 的内容要签名：请写 secret_env 和 source"),
    (r"what goes to a Logstore is signed .+", "送往 Logstore 的内容用账号的密钥签名：请写 account 和 logstore"),
    (r"an outlet to (\S+) takes the ledger and no logs; .+", "送往 {0} 的出口接收账本，不接收日志；请删去 logs"),
    (r"outlet (\S+): there is no log (\S+)", "出口 {0}：没有名为 {1} 的日志"),
    (r"outlet (\S+): there is no account (\S+) of Alibaba Cloud", "出口 {0}：没有名为 {1} 的阿里云账号"),
    (r"no time zone (.+); expected a name such as (.+)", "没有时区 {0}；写法例如 {1}"),
    (r"(.+) does not name days; known are (.+)", "{0} 不是日期规则；可以写 {1}"),
    (r"no day is ever one of these", "没有任何一天符合"),
    (r"an alarm needs at least one of critical, warn and info", "报警至少要写 critical、warn、info 之一"),
    (
        r"up and down say how much, than says compared with what: name both",
        "up 和 down 说明变化多少，than 说明与什么相比：两者都要写",
    ),
    (r"name at least one of (.+)", "至少写以下之一：{0}"),
    (r"an empty list selects nothing: (.+)", "空列表什么也选不中：{0}"),
    (r"an empty pattern selects nothing; .+", "空的模式什么也选不中；请至少写一个字段"),
    (r"(\d+) bad periods cannot be among the last (\d+)", "最近 {1} 个周期里不可能有 {0} 个异常"),
    (r"no playbook (.+); known are (.+)", "没有预案 {0}；可以用 {1}"),
    (r"expected a list with some of (.+), got (.+)", "应为列表，取自 {0}；写的是 {1}"),
    (r"expected a list with at least one alternative, or nested fields", "应为至少有一项的列表，或下一层字段"),
    (r"(.+) (?:is )?not set in the environment", "环境变量 {0} 没有设置"),
    (r"(.+) is shorter than (\d+) characters", "{0} 少于 {1} 个字符"),
    (r"The settings page lists every field\.", "设置页列出了全部字段。"),
    (r"Mend the line; indentation is the usual cause\.", "请改正这一行；通常是缩进的问题。"),
    (r"Leave one of them\.", "请只保留一个。"),
    (r"Name the file with -c FILE\.", "请用 -c FILE 指明文件。"),
    (r"To match events of every level, leave level out\.", "要匹配所有级别，请删去 level。"),
    (r"Make a secret, such as with: (.+)", "请生成一个密钥，例如：{0}"),
)
_FORMS: Final = tuple((re.compile(form), said) for form, said in SENTENCES)
_FAULTS: Final = tuple((re.compile(form), said) for form, said in FAULTS)


def in_chinese(told: str) -> str:
    """Return an error with its sentences in Chinese, line by line."""
    return "\n".join(_line(line) for line in told.splitlines())


def wants_chinese(words: Sequence[str]) -> bool:
    """Say whether the settings file that a command was given is written for readers of Chinese, however wrong it is."""
    named = next((after for word, after in pairwise(words) if word in {"-c", "--config"}), _USUAL)
    try:
        with Path(named).open("rb") as file:
            return _LANGUAGE.search(file.read(1 << 20).decode("utf-8", "replace")) is not None
    except OSError:
        return False


def _line(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    whole = _CODE.fullmatch(line.strip())
    if whole and (fault := _looked_up(whole["said"], _FAULTS)):
        return f"{indent}{fault}{whole['code'] or ''}"
    found = _PLACE.fullmatch(line) or whole
    if found is None:
        return line
    parts = found.groupdict()
    place = parts.get("place", indent)
    return f"{place}{_sentence(parts['said'])}{parts['code'] or ''}"


def _sentence(said: str) -> str:
    meant = _MEANT.fullmatch(said)
    if meant:
        return f"{_sentence(meant['said'])}；是不是想写 {meant['word']}？"
    return _looked_up(said, _FORMS) or said


def _looked_up(said: str, forms: Iterable[tuple[re.Pattern[str], str]]) -> str:
    """Return a sentence in Chinese; nothing where no form is its own."""
    matches = ((form.fullmatch(said), chinese) for form, chinese in forms)
    return next((chinese.format(*found.groups()) for found, chinese in matches if found), "")
