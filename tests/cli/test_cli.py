"""The command line as a user meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

import media
from vidwright.cli import files
from vidwright.cli.main import run
from vidwright.core.errors import BadInput, UsageError
from vidwright.io import open_video, probe

FAST = ["--model", "lanczos", "--preset", "ultrafast", "--progress", "none"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return media.clip(tmp_path / "clip.mp4", frames=8, audio=1)


def three_lines(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 3 and lines[1].startswith("  cause: ") and lines[2].startswith("  next:  ")


class TestHelp:
    def test_help_imports_no_torch(self):
        code = "import sys; from vidwright.cli.main import run; run(['--help']); sys.exit('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for command in ("enhance", "compare", "probe", "models", "doctor", "demo", "bench"):
            assert command in done.stdout

    def test_enhance_help_lists_the_options(self, capsys):
        assert run(["enhance", "--help"]) == 0
        out = capsys.readouterr().out
        for option in ("--scale", "--model", "--workers", "--overwrite", "--dry-run", "--sample", "--seed", "--json"):
            assert option in out

    def test_version(self, capsys):
        assert run(["--version"]) == 0
        assert capsys.readouterr().out.strip() == "0.1.0"


class TestEnhance:
    def test_default_name_frames_and_sound(self, clip: Path, capsys):
        assert run(["enhance", str(clip), *FAST]) == 0
        result = clip.with_name("clip.x2.mp4")
        frames = list(open_video(result))
        assert [media.read_barcode(frame.data) for frame in frames] == list(range(8))
        assert [track.kind for track in probe(result).streams.tracks] == ["audio"]
        assert "8 frames" in capsys.readouterr().err

    def test_what_is_decided_is_said_and_reported(self, clip: Path, tmp_path: Path, capsys):
        assert run(["enhance", str(clip), "-o", str(tmp_path / "o.mp4"), "--json", *FAST]) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith("clip.mp4: 64x48, 25 fps -> x2\n")
        job = json.loads(captured.out)["details"]["job"]
        assert (job["scale"], job["clean"], job["deinterlace"], job["fps"]) == (2, "off", "off", None)

    def test_without_another_size_the_name_says_enhanced(self, tmp_path: Path):
        fields = media.clip(tmp_path / "tape.mp4", frames=4, interlaced=True)
        assert run(["enhance", str(fields), "--scale", "1", "--deinterlace", "bwdif", *FAST]) == 0
        assert probe(tmp_path / "tape.enhanced.mp4").info.rate == 50

    def test_json_is_all_of_stdout(self, clip: Path, tmp_path: Path, capsys):
        assert run(["enhance", str(clip), "-o", str(tmp_path / "o.mkv"), "--json", *FAST]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["schema"], report["frames"], report["output"]) == (1, 8, str(tmp_path / "o.mkv"))
        assert report["details"]["job"]["model"] == "lanczos"

    def test_dry_run_writes_nothing(self, clip: Path, capsys):
        before = sorted(clip.parent.iterdir())
        assert run(["enhance", str(clip), "--dry-run", "--json", *FAST]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert sorted(clip.parent.iterdir()) == before
        assert (plan["width"], plan["height"], plan["frames"]) == (128, 96, 8)
        assert plan["kept"] == ["audio aac: copy"]
        assert plan["disk_bytes"] > 0 and plan["memory_bytes"] > 2**20 and plan["frames_per_second"] > 0

    def test_sample_is_the_beginning(self, clip: Path, tmp_path: Path):
        assert run(["enhance", str(clip), "-o", str(tmp_path / "o.mp4"), "--sample", "0.12s", *FAST]) == 0
        assert [media.read_barcode(frame.data) for frame in open_video(tmp_path / "o.mp4")] == [0, 1, 2]

    def test_template_folder_and_scale(self, clip: Path, tmp_path: Path):
        (tmp_path / "out").mkdir()
        template = f"{tmp_path}/out/{{stem}}_{{height}}p.{{ext}}"
        assert run(["enhance", str(clip), "-o", template, "--scale", "3", *FAST]) == 0
        assert (tmp_path / "out" / "clip_144p.mp4").exists()
        assert run(["enhance", str(clip), "-o", str(tmp_path / "out"), *FAST]) == 0
        assert (tmp_path / "out" / "clip.x2.mp4").exists()

    def test_container_that_the_codec_cannot_use_becomes_matroska(self, tmp_path: Path):
        source = media.clip(tmp_path / "old.avi", frames=2, codec="mpeg4")
        assert run(["enhance", str(source), *FAST]) == 0
        assert (tmp_path / "old.x2.mkv").exists()

    def test_progress_json_goes_to_stderr(self, clip: Path, capsys):
        assert run(["enhance", str(clip), "--model", "lanczos", "--preset", "ultrafast", "--progress", "json"]) == 0
        captured = capsys.readouterr()
        events = [json.loads(line) for line in captured.err.splitlines() if line.startswith("{")]
        assert {"stage": "work", "done": 8, "total": 8} in events
        assert captured.out == ""

    def test_damaged_input_is_used_and_said(self, tmp_path: Path, capsys):
        source = media.clip(tmp_path / "c.mkv", frames=40)
        content = bytearray(source.read_bytes())
        source.write_bytes(content[: len(content) * 2 // 3])
        assert run(["enhance", str(source), *FAST]) == 9
        assert "damaged input" in capsys.readouterr().err


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["enhance", "nowhere.mp4"], 4, "nowhere.mp4"),
            (["enhance", "CLIP", "--sclae", "3"], 2, "--scale"),
            (["enhance", "CLIP", "--crf", "99"], 2, "--crf 99"),
            (["enhance", "CLIP", "--sample", "soon"], 2, "--sample soon"),
            (["enhance", "CLIP", "-o", "{nonsense}.mp4"], 2, "{stem}"),
            (["enhance", "CLIP", "-o", "CLIP", "--overwrite"], 2, "input itself"),
            (["enhance", "CLIP", "-o", "x.exe"], 2, "x.exe"),
            (["enhance", "CLIP", "--model", "restorr"], 5, "enhance/restorer"),
            (["enhance", "CLIP", "--model", "lanczos", "--device", "tpu"], 5, "tpu"),
            (["enhance", "CLIP", "--scale", "1"], 2, "this makes nothing"),
            (["enhance", "CLIP", "--scale", "0"], 2, "--scale 0"),
            (["enhance", "CLIP", "--scale", "8.5"], 2, "--scale 8.5"),
            (["enhance", "CLIP", "--height", "47"], 2, "48 rows"),
            (["enhance", "CLIP", "--strength", "3"], 2, "--strength 3"),
            (["enhance", "CLIP", "--look", "vhs"], 2, "vhs"),
            (["enhance", "CLIP", "--fps", "24"], 2, "this makes nothing"),
            (["enhance", "CLIP", "--fps", "often"], 2, "--fps often"),
            (["enhance", "@nolist"], 4, "nolist"),
            (["probe", "TEXT"], 4, "text.mp4"),
            (["models", "info", "enhance/nothing"], 5, "enhance/lanczos"),
            (["nonsense"], 2, "nonsense"),
        ],
    )
    def test_three_lines_and_a_code(self, arguments, code, words, clip: Path, tmp_path: Path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        text = tmp_path / "text.mp4"
        text.write_text("not a video")
        before = sorted(tmp_path.iterdir())
        arguments = [str(clip) if a == "CLIP" else str(text) if a == "TEXT" else a for a in arguments]
        assert run(arguments) == code
        captured = capsys.readouterr()
        assert three_lines(captured.err), captured.err
        assert words in captured.err
        assert "Traceback" not in captured.err
        assert sorted(tmp_path.iterdir()) == before

    def test_existing_output(self, clip: Path, capsys):
        assert run(["enhance", str(clip), *FAST]) == 0
        first = clip.with_name("clip.x2.mp4").read_bytes()
        assert run(["enhance", str(clip), *FAST]) == 3
        assert run(["enhance", str(clip), "--skip-existing", *FAST]) == 0
        assert clip.with_name("clip.x2.mp4").read_bytes() == first
        assert run(["enhance", str(clip), "--overwrite", *FAST]) == 0
        assert clip.with_name("clip.x2.mp4").read_bytes() == first  # the same job, the same bytes

    def test_json_error(self, capsys):
        assert run(["enhance", "nowhere.mp4", "--json"]) == 4
        assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 4

    def test_debug_shows_the_traceback(self, capsys):
        assert run(["enhance", "nowhere.mp4", "--debug"]) == 4
        assert "Traceback" in capsys.readouterr().err


class TestBatch:
    def test_one_bad_file_does_not_stop_the_others(self, tmp_path: Path, capsys):
        for name in ("a.mp4", "c.mp4"):
            media.clip(tmp_path / name, frames=3)
        (tmp_path / "b.mp4").write_bytes(b"junk")
        assert run(["enhance", str(tmp_path), "--json", *FAST]) == 7
        captured = capsys.readouterr()
        assert (tmp_path / "a.x2.mp4").exists() and (tmp_path / "c.x2.mp4").exists()
        results = json.loads(captured.out.splitlines()[0])["results"]
        assert [result.get("frames") for result in results] == [3, None, 3]

    def test_two_inputs_with_one_output(self, tmp_path: Path, capsys):
        names = [str(media.clip(tmp_path / name, frames=2)) for name in ("a.mp4", "b.mp4")]
        assert run(["enhance", *names, "-o", str(tmp_path / "o.mp4"), *FAST]) == 2
        assert "{stem}" in capsys.readouterr().err

    def test_inputs(self, tmp_path: Path, monkeypatch):
        for name in ("b.mp4", "a.MKV", "notes.txt", "-.mp4"):
            (tmp_path / name).touch()
        monkeypatch.chdir(tmp_path)
        assert files.inputs([str(tmp_path)]) == [tmp_path / "-.mp4", tmp_path / "a.MKV", tmp_path / "b.mp4"]
        assert files.inputs(["*.mp4"]) == [Path("-.mp4"), Path("b.mp4")]
        assert files.inputs(["notes.txt", "notes.txt"]) == [Path("notes.txt")]
        (tmp_path / "list").write_text("x.mp4\n\n y z.mp4 \n")
        assert files.inputs(["@list"]) == [Path("x.mp4"), Path("y z.mp4")]
        with pytest.raises(BadInput):
            files.inputs(["*.webm"])
        with pytest.raises(UsageError):
            files.inputs([])


class TestInspect:
    def test_probe(self, clip: Path, capsys):
        assert run(["probe", str(clip), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["info"]["width"], facts["info"]["rate"]) == (64, "25")
        assert [track["kind"] for track in facts["streams"]["tracks"]] == ["audio"]
        assert run(["probe", str(clip)]) == 0
        assert "64x48, 25 fps" in capsys.readouterr().out

    def test_models(self, capsys):
        assert run(["models", "list", "--json"]) == 0
        listed = {row["model"] for row in json.loads(capsys.readouterr().out)["models"]}
        enhance = {"lanczos", "restorer", "cleaner", "interpolator", "deinterlacer", "esrgan", "compact", "span"}
        generate = {"cnn_lstm", "flow", "patches", "predictor"}
        edit = {"completion", "translation"}
        ours = {"compress": {"postfilter"}, "edit": edit, "enhance": enhance, "generate": generate}
        assert listed == {f"{task}/{name}" for task, names in ours.items() for name in names}
        assert run(["models", "info", "enhance/restorer", "--json"]) == 0
        card = json.loads(capsys.readouterr().out)["weights"]["x2-fast"]
        assert card["data"]["licence"] and card["recipe"]["budget"]["minutes"] and len(card["sha256"]) == 64
        assert run(["models", "verify"]) == 0
        assert "ok, enhance/restorer" in capsys.readouterr().out

    def test_doctor(self, capsys):
        assert run(["doctor", "--json"]) == 0
        names = [finding["name"] for finding in json.loads(capsys.readouterr().out)["findings"]]
        assert names == ["versions", "processor", "encoders", "disk", "self-test"]

    def test_compare_and_its_gate(self, clip: Path, tmp_path: Path, capsys):
        assert run(["compare", str(clip), str(clip), "--fail-under", "psnr=40", "--progress", "none"]) == 0
        assert "∞" in capsys.readouterr().out
        worse = media.clip(tmp_path / "worse.mp4", frames=8, pix_fmt="gray")
        page = tmp_path / "page.html"
        arguments = ["compare", str(clip), str(worse), "--fail-under", "psnr=90", "--report", str(page)]
        assert run([*arguments, "--progress", "none"]) == 8
        assert page.read_text().lower().startswith("<!doctype html>")


@pytest.mark.skipif(os.name != "posix", reason="signals")
class TestInterrupt:
    def interrupted(self, source: Path, *arguments: str, times: int) -> str:
        """What the command says on stderr when Ctrl-C is pressed `times` times in the middle of its first segment."""
        command = [sys.executable, "-m", "vidwright.cli.main", "enhance", str(source), *arguments]
        with subprocess.Popen([*command, "--progress", "json"], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if '"work"' in line and json.loads(line)["done"] >= 3:
                    break
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
            said = process.stderr.read()
            assert process.wait(60) == 130
        return said

    def test_once_finishes_the_segment_and_says_how_to_go_on(self, tmp_path: Path, capsys):
        rate = Fraction(5)  # 40 frames are one segment of 8 s
        source = media.clip(tmp_path / "long.mp4", frames=160, size=(128, 96), rate=rate)
        arguments = ["--model", "lanczos", "--scale", "4", "--preset", "medium"]
        said = self.interrupted(source, *arguments, times=1)
        assert f"resume with: vidwright enhance {source} {' '.join(arguments)}" in said
        assert not (tmp_path / "long.x4.mp4").exists()
        assert run(["enhance", str(source), *arguments, "--progress", "none", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["frames"], report["details"]["segments"]) == (160, 4)
        assert 1 <= report["details"]["resumed_segments"] < 4
        assert not (tmp_path / "long.x4.mp4.job").exists()

    def test_twice_stops_at_once(self, tmp_path: Path):
        source = media.clip(tmp_path / "long.mp4", frames=120, size=(160, 120))
        said = self.interrupted(source, "--model", "lanczos", "--scale", "8", "--preset", "veryslow", times=2)
        assert "Traceback" not in said
        assert not (tmp_path / "long.x8.mp4").exists()
