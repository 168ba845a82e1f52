"""Names of files, columns and customers are shown by each medium and obeyed by none."""

from io import StringIO

import pytest
from markdown_it import MarkdownIt
from rich.markdown import Markdown
from rich.table import Table

from assets.escaping import as_chat, as_markdown, plain
from pipelines.console import Terminal

NASTY = [
    *(
        "\x1b]0;pwned\x1b\\evil.csv",
        "\x1b]52;c;ZXZpbA==\x07X",
        "\x1b[2J",
        "\x9b31m",
        "a\rb",
        "a\bb",
        "\u202egnp.exe",
        "\x00",
    ),
    *(
        "[click](http://evil)",
        "![x](http://evil/p.png)",
        "<http://evil>",
        "<img src=x>",
        "`code`",
        "**bold**",
        "\\[x](http://evil)",
    ),
    *("<!channel> <http://evil|click>.csv", "@channel", "@here x", "&lt;!here&gt;"),
    *("[/]", "[link=http://evil]17[/link]", "[bold]x", ":warning:"),
]


@pytest.mark.parametrize("text", NASTY)
def test_a_terminal_gets_no_control_character_and_no_markup(text):
    out = StringIO()
    terminal = Terminal()
    terminal.file = out
    table = Table(text, title=text)
    table.add_row(text)
    for shown in (text, table, Markdown(as_markdown(text), hyperlinks=False)):
        terminal.print(shown)
    terminal.rule(text)
    assert [letter for letter in out.getvalue() if letter != "\n" and not letter.isprintable()] == []
    assert plain(text).strip() in out.getvalue()


@pytest.mark.parametrize("text", NASTY)
def test_markdown_has_no_link_picture_tag_or_emphasis(text):
    for written in (as_markdown(text), f"- **{as_markdown(text)}**: said"):
        page = MarkdownIt().render(written)
        assert "href" not in page
        assert "<img" not in page
        assert "<code" not in page
    assert "<strong>" not in MarkdownIt().render(as_markdown(text))


@pytest.mark.parametrize("text", NASTY)
def test_a_chat_gets_no_mention_and_no_link(text):
    sent = as_chat(f"first\n{text}")
    assert sent.splitlines()[0] == "first"
    assert "<" not in sent
    assert ">" not in sent
    assert "](" not in sent
    assert "@channel" not in sent
    assert "@here" not in sent
    assert "\x1b" not in sent


def test_a_text_without_markup_is_left_alone():
    for text in ("orders_2024-01.csv: line 3 has 4 columns", "17337", "Ünïcödé 客户"):
        assert (plain(text), as_markdown(text), as_chat(text)) == (text, text, text)
