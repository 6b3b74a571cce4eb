"""Errors that end a command, in Chinese, beside those of the settings: a sentence by its form, and what it is there."""

from __future__ import annotations

from typing import Final

#: Each stands alone on its line; `{0}` is what the first pair of brackets holds.
FAULTS: Final[tuple[tuple[str, str], ...]] = (
    (
        r"(.+): process (\S+) works on this database; SQLite admits one",
        "{0}：进程 {1} 正在使用这个数据库；SQLite 只允许一个",
    ),
    (
        r"Stop that process, or use database: (\S+) for several workers\.",
        "请停止该进程，或改用 database: {0} 供多个工作进程使用。",
    ),
    (r"cannot listen on (\S+): (.+)", "无法监听 {0}：{1}"),
    (
        r"Something listens there already: end it, or name another port under listen:\.",
        "那里已有程序在监听：请结束它，或在 listen: 下另写一个端口。",
    ),
    (
        r"Ports below 1024 are not for every user: name another port under listen:\.",
        "1024 以下的端口不是每个用户都能用：请在 listen: 下另写一个端口。",
    ),
    (r"Name an address of this machine as host under listen:\.", "请在 listen: 下的 host 写本机的地址。"),
    (
        r"the database cannot be used: (.+): the folder (.+) does not exist",
        "数据库无法使用：{0}：文件夹 {1} 不存在",
    ),
    (
        r"Create the folder, or name a file in another one in the settings: (.+)",
        "请创建该文件夹，或在配置中写另一个文件夹里的文件：{0}",
    ),
    (r"the database cannot be used: (.+)", "数据库无法使用：{0}"),
    (r"cloudheal check -c FILE says what is wrong with it\.", "cloudheal check -c FILE 说明问题所在。"),
    (
        r"The folder of the database must be writable for this user; cloudheal check looks closer\.",
        "数据库所在的文件夹必须可由当前用户写入；cloudheal check 会进一步检查。",
    ),
    (
        r"the database has revision (\S+), this program knows revisions up to (\S+)",
        "数据库的版本是 {0}，本程序只认识到 {1}",
    ),
    (
        r"Install the cloudheal that used it last, or restore a backup of before into an empty database\.",
        "请安装最后使用过它的 cloudheal，或把之前的备份恢复到一个空数据库。",
    ),
    (r"the messages cannot be read: (.+)", "无法读取消息：{0}"),
    (r"Name a file that holds messages, or - for standard input\.", "请指明存有消息的文件，或用 - 表示标准输入。"),
    (r"(\S+) may not answer; approvers (.+) are: (.+)", "{0} 不能答复；可答复者（{1}）：{2}"),
    (
        r"Ask one of them\. The attempt is on record, and nothing else has changed\.",
        "请由其中一人答复。这次尝试已有记录，此外没有任何变化。",
    ),
    (r"nobody handles events: no worker is alive \((.+)\)", "没有人处理事件：没有存活的工作进程（{0}）"),
    (r"cloudheal check says more; then try again\.", "cloudheal check 会说明更多；之后请重试。"),
    (r"the targets select no server", "目标没有选中任何服务器"),
    (r"cloudheal instances lists what is known\.", "cloudheal instances 列出已知的服务器。"),
    (r"no such server is known: (.+)", "没有这样的服务器：{0}"),
    (r"(\S+) exists", "{0} 已存在"),
    (r"Name a file that does not exist yet; none is overwritten\.", "请写一个还不存在的文件；不会覆盖任何文件。"),
    (r"(\S+) cannot be read: (.+)", "无法读取 {0}：{1}"),
    (r"(\S+) is not a whole backup of cloudheal: (.+)", "{0} 不是完整的 cloudheal 备份：{1}"),
    (r"workers are at work: (.+)", "仍有工作进程在运行：{0}"),
    (r"Stop them first\.", "请先停止它们。"),
    (r"the database is not empty: (.+)", "数据库不是空的：{0}"),
    (
        r"Name an empty database, or say --replace to lose what is in this one\.",
        "请指明一个空数据库，或用 --replace 丢弃其中的内容。",
    ),
)
