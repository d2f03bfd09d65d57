"""`fairlead lint`: files, exit codes, formats; and its hints after a failed `fairlead kubectl apply`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.cmd.commands.access.kubectl import written_files
from fairlead.cmd.main import main

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
BAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  nam: a\n"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


def put(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_good_manifests_end_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", put(tmp_path / "a.yaml", GOOD)]) == 0
    assert capsys.readouterr().out == "documents: 1, no problems\n"


def test_errors_end_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", put(tmp_path / "a.yaml", BAD)]) == 1
    assert "a.yaml:4:3: error: unknown field `nam`: did you mean `name`?" in capsys.readouterr().out


def test_a_folder_is_read_with_all_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    put(tmp_path / "in" / "a.yml", BAD)
    put(tmp_path / "b.json", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}')
    put(tmp_path / "notes.txt", "a: b: c")
    assert main(["lint", "-o", "json", str(tmp_path)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["documents"] == 2
    assert [one["file"] for one in report["problems"]] == [str(tmp_path / "in" / "a.yml")]


def test_files_of_a_folder_that_are_no_manifests_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "workflow.yml", "name: test\non: push\njobs: {}\n")
    put(tmp_path / "devcontainer.json", '{"name": "x", "image": "y"}')
    put(tmp_path / "Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n")
    put(tmp_path / "a.yaml", "apiVersion:v1\nmetadata: {name: a}\n")
    assert main(["lint", "-o", "json", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert {one["file"] for one in json.loads(out)["problems"]} == {str(tmp_path / "a.yaml")}
    assert err.splitlines() == [
        f"fairlead: skipped {tmp_path / name}: it lacks kind or metadata, which a manifest has"
        for name in ("Chart.yaml", "devcontainer.json", "workflow.yml")
    ]
    assert main(["lint", str(tmp_path / "workflow.yml")]) == 1


def test_a_template_of_helm_is_named_with_the_command_that_renders_its_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "templates").mkdir()
    put(tmp_path / "templates" / "service.yaml", "kind: Service\nmetadata:\n  name: {{ .Release.Name }}\n")
    assert main(["lint", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "service.yaml:3:9: error: this is a template of Helm and not a manifest: render it first" in out
    assert f"helm template {tmp_path} | fairlead lint -" in out


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert main(["lint", "-"]) == 1
    assert capsys.readouterr().out.startswith("<stdin>:4:3: error")


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"a: \xff\n", "not UTF-8 (byte 3)")],
)
def test_files_that_cannot_be_read_are_one_line_and_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, problem: str
) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main(["lint", str(path)]) == 2
    assert capsys.readouterr().err == f"fairlead: {path}: {problem}\n"


def test_an_empty_folder_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path)]) == 2
    assert "contains no .yaml, .yml, .json" in capsys.readouterr().err


def test_the_language_of_the_locale_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    main(["lint", put(tmp_path / "a.yaml", BAD)])
    assert "알 수 없는 필드 `nam`: 혹시 `name` 인가요?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "files"),
    [
        (["apply", "-f", "a.yaml"], ["a.yaml"]),
        (["apply", "-fa.yaml", "--filename=b,c", "-f=d"], ["a.yaml", "b", "c", "d"]),
        (["create", "--filename", "a"], ["a"]),
        (["apply", "-f", "-"], []),
        (["apply", "-f", "https://example.com/a.yaml"], []),
        (["get", "-f", "a.yaml"], []),
        (["apply"], []),
        ([], []),
    ],
)
def test_only_written_files_of_this_machine_are_explained(argv: list[str], files: list[str]) -> None:
    assert written_files(argv) == files


def test_lint_reads_neither_asyncio_nor_the_server() -> None:
    code = (
        "import sys; from fairlead.cmd.main import main; main(['lint', sys.argv[1]]);"
        "print(sorted(n for n in sys.modules if n in ('asyncio', 'aiohttp') or n.startswith('fairlead.apiserver')))"
    )
    path = Path(__file__).parents[3] / "lint" / "manifests" / "healthy.yaml"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == "[]"
