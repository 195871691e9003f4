"""The page: one file that needs nothing else, tells the truth and can not be broken by a name."""

from __future__ import annotations

import base64
import html.parser
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import av
import pytest

import chromium
import media
from vidwright.bench import excerpt
from vidwright.bench.compare import Comparison, compare
from vidwright.bench.plot import bounds, plot
from vidwright.bench.report import write_report
from vidwright.core.errors import JobFailed

HOSTILE = """</script><img src=x onerror="alert('PWNED')"> {{data}} & 'b'.mp4"""


class _Page(html.parser.HTMLParser):
    """What a browser would see: every tag with its attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        (self.scripts if self.tags and self.tags[-1][0] == "script" and self.cdata_elem else self.words).append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attrs.get(name) or "" for found, attrs in self.tags if found == tag and name in attrs]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("report")
    first = media.clip(folder / "a & b.mp4", frames=20, options={"crf": "1"})
    return compare(first, media.clip(folder / "b.mp4", frames=20, options={"crf": "38"}))


@pytest.fixture(scope="module")
def page(found: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(found, path)
    return path


def _data(text: str) -> dict[str, list[float | None]]:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    return json.loads(block[1])


def test_it_needs_nothing_from_outside(page: Path):
    text = page.read_text()
    seen = _Page(text)
    links = [value for tag in ("img", "video") for value in seen.attributes(tag, "src")]
    assert len(links) == 2 + 3 * 6 and all(link.startswith("data:") for link in links)
    assert not {tag for tag, _ in seen.tags} & {"link", "iframe", "object", "embed", "base", "a", "form"}
    rest = re.sub(r"data:[a-z0-9/]+;base64,[A-Za-z0-9+/=]*", "", text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", rest)
    assert seen.attributes("script", "src") == []
    assert "{{" not in rest


def test_the_videos_are_the_files_themselves(found: Comparison, page: Path):
    sources = _Page(page.read_text()).attributes("video", "src")
    media_b, media_a = (base64.b64decode(source.partition(",")[2]) for source in sources)
    assert media_a == found.a.path.read_bytes() and media_b == found.b.path.read_bytes()


def test_the_data_holds_every_frame(found: Comparison, page: Path):
    data = _data(page.read_text())
    assert data["psnr"] == [round(score.psnr, 3) for score in found.frames]
    assert len(data["times"]) == len(data["ssim"]) == 20
    assert (data["first"], data["last"], data["worst"]) == (0, 19, list(found.worst))


def test_the_worst_frames_are_readable_pictures(found: Comparison, page: Path):
    text = page.read_text()
    seen = _Page(text)
    assert seen.attributes("button", "data-frame") == [str(number) for number in found.worst]
    for source in seen.attributes("img", "src"):
        with av.open(io.BytesIO(base64.b64decode(source.partition(",")[2])), format="jpeg_pipe") as still:
            frame = next(still.decode(video=0))
            assert (frame.width, frame.height) == (64, 48)


def test_figures_and_names_are_on_the_page(found: Comparison, page: Path):
    text, figure = page.read_text(), found.figure("psnr")
    assert figure is not None
    assert f"{figure.mean:.2f}" in text and f"worst frame {figure.worst:.2f}" in text
    assert "a &amp; b.mp4" in text and text.count('class="plot"') == 2


def test_hostile_names_and_warnings_stay_words(found: Comparison, tmp_path: Path):
    nasty = tmp_path / HOSTILE.replace("/", "_")
    nasty.write_bytes(found.b.path.read_bytes())
    facts = replace(found.b, path=nasty, codec=HOSTILE, pixel_format=HOSTILE)
    write_report(replace(found, b=facts, warnings=(HOSTILE,)), tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    seen = _Page(text)
    assert "onerror" not in {name for _, attrs in seen.tags for name in attrs}
    assert [tag for tag, _ in seen.tags].count("script") == 2
    assert nasty.name in "".join(seen.words) and HOSTILE in "".join(seen.words)
    assert _data(text)["first"] == 0


def test_equal_files_make_a_page_with_infinity(found: Comparison, tmp_path: Path):
    write_report(compare(found.a.path, found.a.path), tmp_path / "same.html")
    text = (tmp_path / "same.html").read_text()
    assert "∞" in text and "20 of 20 frames identical" in text
    assert _data(text)["psnr"] == [None] * 20 and "inf" not in text.split('id="data">')[1].split("</script>")[0]


def test_what_browsers_do_not_play_becomes_an_excerpt(found: Comparison, tmp_path: Path):
    lossless = media.clip(tmp_path / "a.mkv", frames=20, size=(63, 47), codec="ffv1", options={})
    other = compare(lossless, lossless)
    write_report(other, tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert "do not play these files" in text and "frames 0 to 19" in text
    for source in _Page(text).attributes("video", "src"):
        with av.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as clip:
            stream = clip.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
        numbers = [media.read_barcode(frame.transpose(2, 0, 1) / 255) for frame in frames]
        assert numbers == list(range(20))


def test_large_files_become_an_excerpt_around_the_worst_frame(found: Comparison, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(excerpt, "EMBED_LIMIT", found.a.bytes - 1)
    monkeypatch.setattr(excerpt, "EXCERPT_SECONDS", excerpt.Fraction(5, 25))
    embedded = excerpt.embed(found)
    assert not embedded.whole and "large" in embedded.note
    assert embedded.last - embedded.first <= 4 and embedded.first <= found.worst[0] <= embedded.last
    with av.open(io.BytesIO(embedded.b)) as clip:
        numbers = [
            media.read_barcode(f.to_ndarray(format="rgb24").transpose(2, 0, 1) / 255) for f in clip.decode(video=0)
        ]
    assert numbers == list(range(embedded.first, embedded.last + 1))


def test_a_page_that_can_not_be_written_says_so(found: Comparison, tmp_path: Path):
    with pytest.raises(JobFailed):
        write_report(found, tmp_path / "absent" / "out.html")


def test_thinning_a_long_plot_keeps_its_dips():
    values = [40.0] * 50_000
    values[31_234] = 20.0
    drawn = plot(values, [31_234], name="PSNR", step=1, digits=0, unit="dB")
    assert len(drawn) < 20_000 and "100.00" in drawn
    assert bounds(values, step=1) == (20, 40) and bounds([float("inf")], step=1) == (0, 1)


@pytest.mark.browser
@pytest.mark.skipif(chromium.EXECUTABLE is None, reason="needs Chromium")
def test_in_a_browser(found: Comparison, page: Path, tmp_path: Path):
    with chromium.chromium(tmp_path) as browser:
        for width, dark in ((1280, False), (380, True)):
            browser.open(page, width=width, dark=dark)
            for name in "ab":
                browser.wait(f"document.getElementById('video-{name}').readyState >= 2")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        browser.open(page)
        where = "document.getElementById('where').textContent"
        assert f"frame {found.worst[0]} " in browser.run(where)

        split = "Number(document.getElementById('divider').getAttribute('aria-valuenow'))"
        browser.run("document.getElementById('divider').focus()")
        browser.key("ArrowLeft")
        assert browser.run(split) == 49
        x, y, width = browser.run(
            "(() => { const box = document.getElementById('stage').getBoundingClientRect();"
            " return [box.left, box.top + 40, box.width]; })()"
        )
        browser.drag((x + 0.49 * width, y), (x + 0.25 * width, y))
        assert abs(browser.run(split) - 25) <= 1
        assert browser.run("getComputedStyle(document.getElementById('left')).clipPath").startswith("inset(0")

        browser.run(f"document.querySelector('[data-frame=\"{found.worst[1]}\"]').click()")
        assert f"frame {found.worst[1]} " in browser.run(where)
        browser.run("document.getElementById('play').click()")
        browser.wait(f"!{where}.includes('frame {found.worst[1]} ')")
        browser.run("document.getElementById('play').click()")
        assert browser.run("document.getElementById('video-a').paused && document.getElementById('video-b').paused")
        browser.run("document.querySelector('[data-zoom=\"4\"]').click()")
        assert "matrix(4" in browser.run("getComputedStyle(document.getElementById('video-a')).transform")
        assert browser.complaints == []
