"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const stage = element("stage"), divider = element("divider"), plots = element("plots");
  const a = element("video-a"), b = element("video-b");
  const stills = [element("still-a"), element("still-b")];
  const { times, first, last } = data;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const decibels = (value) => (value === null ? "∞ dB" : value.toFixed(2) + " dB");
  let frame = first, playing = false, speed = 1;

  // Frames and times: the videos begin at frame `first` and the scores at frame 0.
  const midOf = (number) => {
    const start = times[number];
    const step = number + 1 < times.length ? times[number + 1] - start : data.interval;
    return start - times[first] + step / 2;
  };
  const frameAt = (seconds) => {
    const wanted = seconds + times[first] + 1e-4;
    let low = first, high = last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= wanted) low = middle; else high = middle - 1;
    }
    return low;
  };
  const describe = (number) => {
    const parts = ["frame " + number, times[number].toFixed(3) + " s", decibels(data.psnr[number])];
    if (data.ssim) parts.push("SSIM " + data.ssim[number].toFixed(4));
    return parts.join("  ·  ");
  };
  const across = (number) => (times.length > 1 ? (number / (times.length - 1)) * 100 : 50);

  function show(number) {
    frame = number;
    element("where").textContent = describe(number);
    element("playhead").hidden = false;
    element("playhead").style.left = across(number) + "%";
  }
  function hideStills() { stills.forEach((still) => { still.hidden = true; }); }
  function seek(number) {
    pause();
    hideStills();
    const wanted = clamp(number, first, last);
    a.currentTime = b.currentTime = midOf(wanted);
    show(wanted);
  }

  // A leads, B follows: small drift is evened out by speed, large drift by a jump.
  function follow() {
    if (!playing) return;
    const drift = b.currentTime - a.currentTime;
    if (Math.abs(drift) > 0.25) b.currentTime = a.currentTime;
    b.playbackRate = speed * (1 - clamp(drift * 2, -0.2, 0.2));
    show(frameAt(a.currentTime));
    if (a.ended || b.ended || a.currentTime >= midOf(last)) {
      a.currentTime = b.currentTime = 0;
      Promise.all([a.play(), b.play()]).catch(pause);
    }
    requestAnimationFrame(follow);
  }
  function pause() {
    if (!playing) return;
    playing = false;
    a.pause(); b.pause();
    a.currentTime = b.currentTime = midOf(frame);
    element("play").classList.remove("on");
    element("play").setAttribute("aria-label", "Play");
  }
  function play() {
    hideStills();
    if (frame >= last) a.currentTime = b.currentTime = 0;
    playing = true;
    a.playbackRate = b.playbackRate = speed;
    element("play").classList.add("on");
    element("play").setAttribute("aria-label", "Pause");
    Promise.all([a.play(), b.play()]).then(() => requestAnimationFrame(follow), pause);
  }
  const toggle = () => (playing ? pause() : play());

  // The divider, in per cent of the stage.
  function split(percent) {
    const value = clamp(percent, 0, 100);
    stage.style.setProperty("--split", value + "%");
    divider.setAttribute("aria-valuenow", String(Math.round(value)));
  }
  const nudge = (by) => split(Number(divider.getAttribute("aria-valuenow")) + by);
  const splitAt = (event) => {
    const box = stage.getBoundingClientRect();
    split(((event.clientX - box.left) / box.width) * 100);
  };

  // Zoom about the middle of what is seen; pan never leaves the picture.
  const view = { zoom: 1, x: 0, y: 0 };
  function look(zoom, x, y) {
    const { width, height } = stage.getBoundingClientRect();
    view.zoom = zoom;
    view.x = clamp(x, width * (1 - zoom), 0);
    view.y = clamp(y, height * (1 - zoom), 0);
    stage.style.setProperty("--zoom", String(zoom));
    stage.style.setProperty("--x", view.x + "px");
    stage.style.setProperty("--y", view.y + "px");
    stage.classList.toggle("zoomed", zoom > 1);
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === zoom));
    }
  }
  function zoomTo(zoom) {
    const { width, height } = stage.getBoundingClientRect();
    const factor = zoom / view.zoom;
    look(zoom, width / 2 - (width / 2 - view.x) * factor, height / 2 - (height / 2 - view.y) * factor);
  }

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const onDivider = event.target === divider;
    if (!onDivider && view.zoom === 1 && event.pointerType !== "mouse") return;  // a finger may be scrolling the page
    drag = { split: onDivider || view.zoom === 1, x: event.clientX - view.x, y: event.clientY - view.y };
    stage.setPointerCapture(event.pointerId);
    stage.classList.toggle("moving", !drag.split);
    if (drag.split) splitAt(event);
    divider.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (drag.split) splitAt(event); else look(view.zoom, event.clientX - drag.x, event.clientY - drag.y);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, () => { drag = null; stage.classList.remove("moving"); });
  }
  addEventListener("resize", () => look(view.zoom, view.x, view.y));

  // Controls and keys.
  element("play").addEventListener("click", toggle);
  element("back").addEventListener("click", () => seek(frame - 1));
  element("next").addEventListener("click", () => seek(frame + 1));
  element("speed").addEventListener("change", (event) => {
    speed = Number(event.target.value);
    a.playbackRate = b.playbackRate = speed;
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoomTo(Number(button.dataset.zoom)));
  }
  const keys = {
    " ": toggle, ",": () => seek(frame - 1), ".": () => seek(frame + 1),
    1: () => zoomTo(1), 2: () => zoomTo(2), 4: () => zoomTo(4),
    ArrowLeft: (event) => nudge(event.shiftKey ? -10 : -1), ArrowRight: (event) => nudge(event.shiftKey ? 10 : 1),
  };
  addEventListener("keydown", (event) => {
    const busy = event.target.closest("select, button") && (event.key === " " || event.target.matches("select"));
    const action = keys[event.key];
    if (!action || busy || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  });

  // The plot.
  const pointed = (event) => {
    const box = plots.getBoundingClientRect();
    return clamp(Math.round(((event.clientX - box.left) / box.width) * (times.length - 1)), 0, times.length - 1);
  };
  plots.addEventListener("pointermove", (event) => {
    const number = pointed(event);
    element("cursor").hidden = false;
    element("cursor").style.left = across(number) + "%";
    element("readout").textContent = describe(number);
  });
  plots.addEventListener("pointerleave", () => { element("cursor").hidden = true; });
  plots.addEventListener("click", (event) => seek(pointed(event)));

  // Worst frames: sought in the videos, or shown as stills where the videos are an excerpt without them.
  for (const strip of document.querySelectorAll(".strip")) {
    strip.addEventListener("click", () => {
      const number = Number(strip.dataset.frame);
      if (number >= first && number <= last) seek(number);
      else {
        pause();
        strip.querySelectorAll("img").forEach((image, index) => {
          if (index < 2) { stills[index].src = image.src; stills[index].hidden = false; }
        });
        element("where").textContent = describe(number) + "  ·  still";
        element("playhead").style.left = across(number) + "%";
      }
      stage.scrollIntoView({ block: "center", behavior: "smooth" });
    });
  }

  for (const [video, name] of [[a, "A"], [b, "B"]]) {
    video.addEventListener("error", () => {
      element("trouble").hidden = false;
      element("trouble").textContent = "This browser can not play " + name + ". The worst frames below are pictures and open all the same.";
    });
  }
  look(1, 0, 0);
  split(50);
  seek(clamp(data.worst[0], first, last));
})();
