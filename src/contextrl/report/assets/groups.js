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
      && (!chosen.run || data.runs[group.run] === chosen.run)
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
  if (tag === "false_positive" || tag === "unreachable") return "bad";
  return tag === "unscored" ? "odd" : "";
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
  if (!status) return { kind: "", mark: "·", label: "not judged" };
  if (attempt.whole === false) return { kind: "bad", mark: "−", label: "not self-consistent" };
  if (attempt.answer === true && attempt.process === false) {
    return { kind: "bad", mark: "~", label: "right answer, wrong process" };
  }
  return { kind: "bad", mark: "−", label: attempt.answer === false ? "wrong answer" : "incorrect" };
}

function pips(group) {
  const first = group.attempts.filter((attempt) => attempt.stage === 1);
  const second = group.attempts.filter((attempt) => attempt.stage === 2);
  const parts = [...signs(first, ""), ...(second.length ? [document.createTextNode("→")] : []), ...signs(second, "retry: ")];
  const pips = make("span", { className: "pips", role: "img" }, ...parts);
  const right = first.filter((attempt) => text(attempt.status) === "correct").length;
  const kept = second.filter((attempt) => attempt.kept).length;
  const retries = second.length ? `, ${kept} of ${second.length} retries kept` : "";
  pips.setAttribute("aria-label", `${right} of ${first.length} right at stage 1${retries}`);
  return pips;
}

// One sign for all attempts that came out alike.
function signs(attempts, stage) {
  const counts = new Map();
  for (const attempt of attempts) {
    const { kind, mark, label } = outcome(attempt);
    const sign = attempt.kept ? { kind: "good", mark: "✓", label: "kept" } : { kind, mark, label };
    const key = `${sign.mark} ${sign.label}`;
    counts.set(key, { ...sign, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].map(({ kind, mark, label, count }) => make("span", {
    className: kind, textContent: mark + times(count), title: `${stage}${label}${times(count)}`,
  }));
}

function times(count) {
  return count > 1 ? `\u2009×${count}` : "";
}

// Attempts that are alike in everything but whose retry they are, each with the numbers of the samples they belong to.
function folded(attempts) {
  const alike = new Map();
  for (const { attempt, number } of attempts) {
    const key = JSON.stringify({ ...attempt, parent: null });
    if (!alike.has(key)) alike.set(key, { attempt, numbers: [] });
    alike.get(key).numbers.push(number);
  }
  return [...alike.values()];
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
  content.append(...attemptViews(group, reference));
  return content;
}

// 0, 1, 2, 5 as "1–3, 6": counted from one.
function ranges(numbers) {
  const parts = [];
  for (const place of [...new Set(numbers)].sort((a, b) => a - b).map((number) => number + 1)) {
    const last = parts.at(-1);
    if (last && last[1] === place - 1) last[1] = place;
    else parts.push([place, place]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}${last > first + 1 ? "–" : ", "}${last}`)).join(", ");
}

function attemptViews(group, reference) {
  const first = group.attempts.filter((attempt) => attempt.stage === 1).map((attempt, number) => ({ attempt, number }));
  const retries = group.attempts.filter((attempt) => attempt.stage === 2)
    .map((attempt) => ({ attempt, number: attempt.parent ?? -1 }));
  const named = (word, words, numbers) => `${numbers.length > 1 ? words : word} ${ranges(numbers)}`;
  const views = [];
  for (const { attempt, numbers } of folded(first)) {
    views.push(attemptView(attempt, named("Attempt", "Attempts", numbers), numbers.length, reference));
    for (const retry of folded(retries.filter(({ number }) => numbers.includes(number)))) {
      const name = named("Retry of", "Retries of", retry.numbers);
      views.push(attemptView(retry.attempt, name, retry.numbers.length, reference));
    }
  }
  for (const { attempt, numbers } of folded(retries.filter(({ number }) => !(number in first)))) {
    views.push(attemptView(attempt, "Retry of an attempt that is not here", numbers.length, reference));
  }
  return views;
}

function attemptView(attempt, name, count, reference) {
  const { kind, label } = outcome(attempt);
  const head = make("div", { className: "head" }, make("strong", { textContent: name }));
  if (count > 1) head.append(make("strong", { className: "times", textContent: `×${count}` }));
  head.append(badge(label, kind));
  if (attempt.stage === 2) head.append(badge(whyKept(attempt), attempt.kept ? "good" : ""));
  if (attempt.truncated) head.append(badge("cut at the length limit", ""));
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

