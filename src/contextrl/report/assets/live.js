"use strict";
// Asks for news, loads a new page behind the one that is read, and changes them when it stands as the old one stood.

const pages = document.getElementById("pages");
const state = document.getElementById("state");
const news = document.getElementById("news");
const pause = document.getElementById("pause");
const ASK_EVERY = 2000;
// A reader who has just typed, clicked or selected is not disturbed.
const QUIET = 1500;
let current = null;
let version = 0;
let loading = false;
let touched = 0;
let updated = 0;

function isPaused() {
  return pause.getAttribute("aria-pressed") === "true";
}

function isBusy() {
  if (performance.now() - touched < QUIET) return true;
  const page = current && current.contentDocument;
  if (!page) return false;
  const selection = page.getSelection();
  return (selection && !selection.isCollapsed) || /^(INPUT|SELECT|TEXTAREA)$/.test((page.activeElement || page.body).tagName)
    && page.hasFocus() && performance.now() - touched < 10000;
}

function watch(page) {
  for (const event of ["input", "keydown", "pointerdown", "pointermove", "wheel", "touchmove"]) {
    page.addEventListener(event, (happened) => {
      // A pointer that is only there disturbs nobody; one that drags does.
      if (happened.type !== "pointermove" || happened.buttons) touched = performance.now();
    }, { passive: true, capture: true });
  }
}

// ---- what a reader has done to a page -------------------------------------------------------------------------------

// A group is the same by run and number, whatever place the page gives it: more groups come, and others are chosen.
function groupName(frame, place) {
  const gallery = frame.gallery ??= JSON.parse(frame.contentDocument.getElementById("gallery-data").textContent);
  const group = gallery.groups[place];
  return group ? `${group.run}:${group.number}` : "";
}

function groupElement(frame, name) {
  groupName(frame, 0);
  const place = frame.gallery.groups.findIndex((group) => `${group.run}:${group.number}` === name);
  return place < 0 ? null : frame.contentDocument.getElementById(`group-${place}`);
}

function nameOf(frame, element) {
  const match = /^group-(\d+)$/.exec(element.id);
  if (match) return { group: groupName(frame, Number(match[1])) };
  if (element.id) return { id: element.id };
  if (element.dataset.values) return { values: element.dataset.values };
  return { tag: element.tagName, place: nameless(frame, element.tagName).indexOf(element) };
}

function nameless(frame, tag) {
  return [...frame.contentDocument.querySelectorAll(tag)].filter((one) => !one.id && !one.dataset.values && !one.closest(".group"));
}

function found(frame, name) {
  const page = frame.contentDocument;
  if (name.group !== undefined) return groupElement(frame, name.group);
  if (name.id) return page.getElementById(name.id);
  if (name.values) return [...page.querySelectorAll("[data-values]")].find((one) => one.dataset.values === name.values);
  return nameless(frame, name.tag)[name.place];
}

// What is read: the last that begins above the middle of the window. After more was added above, it stands there again.
function anchor(frame) {
  let best = null;
  for (const element of frame.contentDocument.querySelectorAll("section, figure, h2, h3, details:not(.group *)")) {
    const { top, height } = element.getBoundingClientRect();
    if (height > 0 && top <= frame.clientHeight / 2 && (!best || top > best.top)) best = { element, top };
  }
  return best && { name: nameOf(frame, best.element), top: best.top };
}

function taken(frame) {
  const page = frame.contentDocument;
  const fields = [...page.querySelectorAll("form input, form select, form textarea")].map((field) => (
    { name: field.name, value: field.value, checked: field.checked }
  ));
  const focused = page.activeElement && page.activeElement.closest("details");
  return {
    address: frame.contentWindow.location.search + frame.contentWindow.location.hash,
    fields,
    shown: page.querySelectorAll("#groups > .group").length,
    open: [...page.querySelectorAll("details")].map((one) => [nameOf(frame, one), one.open]),
    anchor: anchor(frame),
    scroll: frame.contentWindow.scrollY,
    focused: focused ? nameOf(frame, focused) : null,
    sideways: [...page.querySelectorAll(".scroll")].map((one) => one.scrollLeft),
  };
}

function settled(frame) {
  return new Promise((done) => frame.contentWindow.setTimeout(done, 250));
}

async function put(frame, kept) {
  const page = frame.contentDocument;
  let changed = null;
  for (const field of page.querySelectorAll("form input, form select, form textarea")) {
    const old = kept.fields.find((one) => one.name === field.name && (field.type !== "radio" || one.value === field.value));
    if (!old || (field.type === "checkbox" || field.type === "radio" ? field.checked === old.checked : field.value === old.value)) continue;
    if (field.type === "checkbox" || field.type === "radio") field.checked = old.checked;
    else field.value = old.value;
    changed = field;
  }
  if (changed) {
    changed.dispatchEvent(new Event("input", { bubbles: true }));
    await settled(frame);
  }
  const more = page.getElementById("more");
  while (more && !more.hidden && page.querySelectorAll("#groups > .group").length < kept.shown) more.click();
  const filled = [];
  for (const [name, open] of kept.open) {
    const details = found(frame, name);
    if (!details || details.open === open) continue;
    // The page fills what is opened when it hears of it, a moment later.
    filled.push(new Promise((done) => details.addEventListener("toggle", done, { once: true })));
    details.open = open;
  }
  await Promise.race([Promise.all(filled), new Promise((done) => setTimeout(done, 3000))]);
  stand(frame, kept);
}

// A browser lays out what is hidden or far away only when it comes near: the place is found in some steps.
async function standStill(frame, kept) {
  for (let n = 0; n < 8 && performance.now() - touched > 200; n++) {
    stand(frame, kept);
    await new Promise((done) => setTimeout(done, 60));
  }
}

function stand(frame, kept) {
  const page = frame.contentDocument;
  const place = kept.anchor && found(frame, kept.anchor.name);
  const top = place ? frame.contentWindow.scrollY + place.getBoundingClientRect().top - kept.anchor.top : kept.scroll;
  frame.contentWindow.scrollTo({ top, behavior: "instant" });
  [...page.querySelectorAll(".scroll")].forEach((one, n) => { one.scrollLeft = kept.sideways[n] || 0; });
}

// ---- a new page -----------------------------------------------------------------------------------------------------

async function drawn(frame) {
  for (let waited = 0; waited < 60000; waited += 100) {
    const page = frame.contentDocument;
    if (page && page.documentElement && page.documentElement.dataset.drawn) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function load(newest) {
  loading = true;
  const frame = Object.assign(document.createElement("iframe"), { className: "waiting", title: "Report" });
  try {
    const kept = current ? taken(current) : null;
    frame.src = "/report.html" + (kept ? kept.address : location.search + location.hash);
    pages.append(frame);
    await new Promise((done) => frame.addEventListener("load", done, { once: true }));
    await drawn(frame);
    if (current) {
      // The reader has gone on meanwhile.
      const latest = taken(current);
      await put(frame, latest);
      const hadFocus = document.activeElement === current;
      current.remove();
      frame.classList.remove("waiting");
      if (hadFocus) frame.contentWindow.focus();
      await standStill(frame, latest);
      const focused = latest.focused && found(frame, latest.focused);
      if (focused) focused.querySelector("summary").focus({ preventScroll: true });
    } else {
      frame.classList.remove("waiting");
    }
    watch(frame.contentDocument);
    document.title = frame.contentDocument.title;
    current = frame;
    version = newest;
    updated = performance.now();
    document.documentElement.dataset.version = String(version);
  } catch (error) {
    frame.remove();
    console.error(error);
  } finally {
    loading = false;
  }
}

function since() {
  const seconds = Math.round((performance.now() - updated) / 1000);
  return seconds < 60 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

async function ask() {
  let told = null;
  try {
    told = await (await fetch("/state", { cache: "no-store" })).json();
  } catch {
    state.textContent = "Nobody answers any more: `contextrl report --follow` has ended. The page stays as it is.";
    state.className = "problem";
    return;
  }
  state.className = told.problem ? "problem" : "";
  state.textContent = told.problem || (told.finished ? `The run has finished: ${told.state}.` : `Live: ${told.state}.`);
  document.documentElement.dataset.finished = String(told.finished);
  if (told.version > version && !loading && (!current || (!isPaused() && !isBusy()))) await load(told.version);
  const waiting = told.version > version ? " There is news." : "";
  news.textContent = updated ? `Updated ${since()}.${waiting}` : "";
}

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  pause.textContent = isPaused() ? "Go on" : "Pause";
});

(async () => {
  for (;;) {
    await ask();
    await new Promise((done) => setTimeout(done, ASK_EVERY));
  }
})();
