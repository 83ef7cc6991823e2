import pytest

from tfgansynth.errors import InputError


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a.json: is missing", "a.json: is missing"),
        ("größer als 4 µm", "größer als 4 µm"),
        ("two\nlines\r\nand\u2028more", "two lines and more"),
        ("tab\there", "tab\\there"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("half \ud800 of a character", "half \\ud800 of a character"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe", "\\u202egnp.exe"),
    ],
)
def test_a_message_is_one_printable_line(message: str, line: str) -> None:
    assert str(InputError(message)) == line
    assert line.isprintable()


def test_a_long_message_is_shortened() -> None:
    assert str(InputError("x" * 10**6 + "y" * 500)) == f"{'x' * 500} ... {'y' * 500}"
