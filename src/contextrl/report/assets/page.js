"use strict";
// Everything that comes from models, judges and data goes into the page as text nodes, never as markup.

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

// ---- charts ---------------------------------------------------------------------------------------------------------

const charts = read("chart-data");

async function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const chart = charts[place.dataset.chart];
    // `ast` lets Vega read its expressions instead of compiling them: the page forbids eval.
    const options = {
      actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true },
    };
    try {
      const { view } = await vegaEmbed(place, chart.spec, options);
      place.classList.remove("vega-embed");
      place.view = view;
    } catch (error) {
      place.textContent = `This chart cannot be drawn: ${error.message}`;
      console.error(error);
    }
  }
  document.documentElement.dataset.drawn = "true";
}

for (const details of document.querySelectorAll("[data-values]")) {
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(valuesTable(charts[details.dataset.values].rows));
  });
}

function valuesTable(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col", textContent: name })));
  const body = rows.map((row) => make("tr", {}, ...names.map((name) => make("td", { textContent: shown(row[name]) }))));
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  return make("div", { tabIndex: 0 }, table);
}

function shown(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
}

// ---- groups ---------------------------------------------------------------------------------------------------------

const data = read("gallery-data");
const list = document.getElementById("groups");
const PORTION = 40;
let found = [];
let drawn = 0;

function text(place) {
  return place === undefined || place === null ? "" : data.texts[place];
}

function haystack(group) {
  if (group.haystack === undefined) {
    const parts = [group.id, group.question, group.solution, group.answer];
    for (const a of group.attempts) parts.push(a.text, a.report, a.rejection, a.error);
    group.haystack = [...new Set(parts)].map(text).join("\n").toLowerCase();
  }
  return group.haystack;
}

function filtered(form) {
  const chosen = Object.fromEntries(new FormData(form));
  const first = chosen.from === "" ? -Infinity : Number(chosen.from);
  const last = chosen.to === "" ? Infinity : Number(chosen.to);
  const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
  return data.groups.map((group, place) => place).filter((place) => {
    const group = data.groups[place];
    return (!chosen.tag || group.tags.includes(chosen.tag))
      && group.step >= first && group.step <= last
      && (!chosen.task || text(group.task) === chosen.task)
      && (!chosen.kind || text(group.kind) === chosen.kind)
      && (!chosen.run || String(group.run) === chosen.run)
      && words.every((word) => haystack(group).includes(word));
  });
}

function refresh() {
  found = filtered(document.getElementById("filters"));
  drawn = 0;
  list.replaceChildren();
  showMore();
  const count = found.length.toLocaleString("en");
  document.getElementById("count").textContent = found.length ? `${count} groups` : "No group is like that.";
}

function showMore() {
  list.append(...found.slice(drawn, drawn + PORTION).map(card));
  drawn = Math.min(drawn + PORTION, found.length);
  const more = document.getElementById("more");
  more.hidden = drawn >= found.length;
  more.textContent = `Show more (${(found.length - drawn).toLocaleString("en")} left)`;
}

function card(place) {
  const group = data.groups[place];
  const details = make("details", { className: "group", id: `group-${place}` });
  const title = make("bdi", { className: "title", textContent: text(group.question) });
  const badges = group.tags.map((tag) => badge(data.tags[tag], tone(tag)));
  const run = data.runs.length > 1 ? [badge(data.runs[group.run], "")] : [];
  const where = make("span", { className: "quiet", textContent: `step ${group.step}` });
  details.append(make("summary", {}, where, ...run, ...thumbnails(group), title, pips(group), ...badges));
  // Filled when opened: thousands of closed groups cost little.
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(body(group));
  });
  return details;
}

function tone(tag) {
  if (tag === "recovered" || tag === "solved") return "good";
  return tag === "false_positive" || tag === "unreachable" ? "bad" : "odd";
}

function badge(label, kind) {
  return make("span", { className: `badge ${kind}`, textContent: label });
}

function picture(place, className, alt) {
  const image = make("img", { className, alt, loading: "lazy", src: data.images[place] });
  image.addEventListener("load", () => {
    if (className === "full") image.width = image.naturalWidth < 200 ? 3 * image.naturalWidth : image.naturalWidth;
    if (image.naturalWidth < 200) image.classList.add("tiny");
  });
  return image;
}

function thumbnails(group) {
  return group.images.slice(0, 3).map((place) => picture(place, "thumb", ""));
}

function outcome(attempt) {
  const status = text(attempt.status);
  if (status === "correct") return { kind: "good", mark: "+", label: "correct" };
  if (status === "unscored") return { kind: "odd", mark: "?", label: "unscored" };
  if (!status) return { kind: "odd", mark: "·", label: "not judged" };
  if (attempt.whole === false) return { kind: "bad", mark: "−", label: "not self-consistent" };
  if (attempt.answer === true && attempt.process === false) {
    return { kind: "bad", mark: "~", label: "right answer, wrong process" };
  }
  return { kind: "bad", mark: "−", label: attempt.answer === false ? "wrong answer" : "incorrect" };
}

function pips(group) {
  const parts = group.attempts.map((attempt) => {
    const { kind, mark, label } = outcome(attempt);
    const stage = attempt.stage === 2 ? "retry: " : "";
    return make("span", { className: kind, textContent: attempt.kept ? "✓" : mark, title: stage + label });
  });
  const second = group.attempts.findIndex((attempt) => attempt.stage === 2);
  if (second > 0) parts.splice(second, 0, document.createTextNode("→"));
  const right = group.attempts.filter((a) => a.stage === 1 && text(a.status) === "correct").length;
  const first = group.attempts.filter((a) => a.stage === 1).length;
  const pips = make("span", { className: "pips", role: "img" }, ...parts);
  pips.setAttribute("aria-label", `${right} of ${first} right at stage 1`);
  return pips;
}

function body(group) {
  const facts = make("dl");
  const rows = [
    ["question", group.question], ["reference", group.solution], ["answer", group.answer],
    ["kind", group.kind], ["example", group.id],
  ];
  for (const [name, place] of rows) {
    facts.append(make("dt", { textContent: name }), make("dd", { className: "text", dir: "auto", textContent: text(place) }));
  }
  const images = group.images.map((place, n) => picture(place, "full", `image ${n + 1} of the question`));
  const pictures = make("div", {}, ...images);
  if (group.missing) pictures.append(make("p", { className: "quiet", textContent: `${group.missing} pictures are not in this page` }));
  const content = make("div", { className: "body" }, make("div", { className: "case" }, pictures, facts));
  if (!group.trained) content.append(make("p", { className: "quiet", textContent: "Not trained: dynamic sampling looked for groups with both kinds of samples." }));
  if (group.refilled) content.append(make("p", { className: "quiet", textContent: "Drawn by dynamic sampling in place of a group without spread." }));
  const reference = stepsOf(text(group.solution));
  const first = group.attempts.filter((attempt) => attempt.stage === 1);
  first.forEach((attempt, number) => {
    content.append(attemptView(attempt, `Attempt ${number + 1}`, reference));
    for (const retry of group.attempts) {
      if (retry.stage === 2 && retry.parent === number) content.append(attemptView(retry, `Retry of ${number + 1}`, reference));
    }
  });
  return content;
}

function attemptView(attempt, name, reference) {
  const { kind, label } = outcome(attempt);
  const head = make("div", { className: "head" }, make("strong", { textContent: name }), badge(label, kind));
  if (attempt.stage === 2) head.append(badge(whyKept(attempt), attempt.kept ? "good" : "odd"));
  if (attempt.truncated) head.append(badge("cut at the length limit", "odd"));
  head.append(make("span", { className: "quiet", textContent: trained(attempt) }));
  const view = make("div", { className: `attempt is-${kind}` + (attempt.stage === 2 ? " retry" : "") }, head);
  if (attempt.seen !== undefined) view.append(note("It saw the attempt above and: ", text(attempt.seen)));
  view.append(marked(text(attempt.text), reference));
  if (attempt.report !== undefined) view.append(note("Mistake report: ", text(attempt.report)));
  if (attempt.error !== undefined) view.append(note("Judge failed: ", text(attempt.error)));
  if (attempt.audit !== undefined) view.append(note("Audit: ", text(attempt.audit)));
  return view;
}

function whyKept(attempt) {
  return attempt.kept ? "kept: correct and standalone" : `not kept: ${text(attempt.rejection).replaceAll("_", " ")}`;
}

function trained(attempt) {
  if (!attempt.trained) return attempt.stage === 1 ? "not in the trained group" : "";
  const reward = attempt.reward === undefined ? "no reward" : `reward ${attempt.reward}`;
  const how = attempt.stage === 2 ? "trained under the original prompt, " : "";
  return attempt.advantage === undefined ? `${how}${reward}` : `${how}${reward}, advantage ${attempt.advantage}`;
}

function note(label, content) {
  const said = make("bdi", { className: "text", textContent: content });
  return make("div", { className: "note" }, make("span", { textContent: label }), said);
}

// ---- what differs ---------------------------------------------------------------------------------------------------

function stepsOf(solution) {
  return solution.split(/(?<=\n)|(?<=[.!?;])(?=\s)/).filter((step) => step.trim());
}

function plain(step) {
  return step.toLowerCase().trim().replace(/\s+/g, " ").replace(/[.;!? ]+$/, "");
}

function marked(response, reference) {
  const known = new Set(reference.map(plain));
  const view = make("div", { className: "text", dir: "auto" });
  for (const step of stepsOf(response)) {
    if (known.has(plain(step))) view.append(step);
    else view.append(make("span", { className: "differs" }, ...wordsThatDiffer(step, reference)));
  }
  if (!response) view.append(make("span", { className: "quiet", textContent: "(empty)" }));
  return view;
}

function wordsThatDiffer(step, reference) {
  const words = step.split(/(\s+)/);
  const counted = words.filter((word) => word.trim()).length;
  let best = new Set();
  let likeness = 0;
  for (const other of reference) {
    const others = other.split(/(\s+)/);
    const same = commonWords(words, others);
    const like = (2 * same.size) / (counted + others.filter((word) => word.trim()).length);
    if (like > likeness) [best, likeness] = [same, like];
  }
  // With little in common, the whole step differs, and marks on every word would say nothing.
  if (likeness < 0.4) return [step];
  return words.map((word, n) => (best.has(n) || !word.trim() ? word : make("mark", { textContent: word })));
}

// Places of the words that a longest common subsequence keeps.
function commonWords(one, other) {
  const a = one.map((word, n) => [word, n]).filter(([word]) => word.trim()).slice(0, 300);
  const b = other.filter((word) => word.trim()).slice(0, 300);
  const bare = (word) => word.replace(/[.,;]+$/, "").toLowerCase();
  const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i][j] = bare(a[i][0]) === bare(b[j]) ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const kept = new Set();
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (bare(a[i][0]) === bare(b[j])) { kept.add(a[i][1]); i++; j++; }
    else if (best[i + 1][j] >= best[i][j + 1]) i++;
    else j++;
  }
  return kept;
}

// ---- filters and keys -----------------------------------------------------------------------------------------------

function fill(name, values) {
  const select = document.querySelector(`#filters select[name="${name}"]`);
  if (select) select.append(...values.map(([value, label]) => make("option", { value, textContent: label })));
}

function openFromAddress() {
  const match = /^#group-(\d+)$/.exec(location.hash);
  if (!match || Number(match[1]) >= data.groups.length) return;
  const place = Number(match[1]);
  if (!found.includes(place)) {
    document.getElementById("filters").reset();
    refresh();
  }
  while (!document.getElementById(`group-${place}`)) showMore();
  const target = document.getElementById(`group-${place}`);
  target.open = true;
  target.scrollIntoView({ block: "start" });
  target.querySelector("summary").focus({ preventScroll: true });
}

// j and k go to the next and the last group, as in many lists.
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (!document.getElementById("gallery").contains(document.activeElement)) return;
  const step = { j: 1, k: -1 }[event.key];
  if (!step) return;
  const summaries = [...list.querySelectorAll(".group > summary")];
  const next = summaries[Math.max(0, summaries.indexOf(document.activeElement) + step)];
  if (next) next.focus();
}

function start() {
  const form = document.getElementById("filters");
  if (!form) return;
  const values = (name) => [...new Set(data.groups.map((group) => text(group[name])))].filter(Boolean).sort();
  fill("task", values("task").map((value) => [value, value]));
  fill("kind", values("kind").map((value) => [value, value]));
  fill("run", data.runs.map((name, place) => [String(place), name]));
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 120);
  });
  // On the click, not on `reset`, which a link to a group sends too.
  form.querySelector("button[type=reset]").addEventListener("click", () => setTimeout(refresh));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("more").addEventListener("click", showMore);
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", openFromAddress);
  refresh();
  openFromAddress();
}

start();
draw();
