"""Runs every `*.txt` beside this file. `--update` writes the expected sections anew; read the difference then."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.runtime.fake import run_jumping
from tests.scenario import archive
from tests.scenario.runner import StoryError, run

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    story = archive.read(path)
    told = run_jumping(run(story))
    if request.config.getoption("--update"):
        story.sections |= told.shown
        path.write_text(story.render(), encoding="utf-8")
    for name, text in told.shown.items():
        assert story.sections.get(name) == text, f"{path.name}: {name} (pytest tests/scenario --update writes it anew)"
    assert set(story.sections) == set(told.shown) | told.applied, f"{path.name}: a section that no command uses"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("dance", "line 1: dance: unknown command 'dance'"),
        ("\n# x\napply a.yaml", "line 3: apply a.yaml: there is no section a.yaml"),
        ("get a svc\nget a pods", "line 2: get a pods: section a is written twice"),
        ("fails out get a svc", "line 1: fails out get a svc: the command did not fail"),
        ("delete pod x", 'line 1: delete pod x: pods "x" not found'),
    ],
)
def test_the_error_for_an_invalid_story_names_its_line(text: str, error: str) -> None:
    with pytest.raises(StoryError) as caught:
        run_jumping(run(archive.parse(f"{text}\n")))
    assert str(caught.value) == error


def test_an_archive_is_written_as_it_was_read() -> None:
    text = "# A story.\napply a\n\n-- a --\nx: 1\n-- b --\n"
    found = archive.parse(text)
    assert (found.commands(), found.sections) == ([(2, "apply a")], {"a": "x: 1\n", "b": ""})
    assert found.render() == text
