from __future__ import annotations

import pytest

from loads.cli.agent import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "region"], "'region' is not a label"),
        (["--label", "a=b", "--label", "a=c"], "--label a=b and --label a=c are two of one key"),
        (["--label", "a=b", "--label", "a=b"], "are two of one key"),
        (["--max-users", "0"], "--max-users"),
    ],
)
def test_what_makes_no_sense_is_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
