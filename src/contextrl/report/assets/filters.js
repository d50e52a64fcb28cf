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
    changed({ group: true });
  }
  while (!document.getElementById(`group-${place}`)) showMore();
  const target = document.getElementById(`group-${place}`);
  target.open = true;
  target.scrollIntoView({ block: "start" });
  target.querySelector("summary").focus({ preventScroll: true });
}

// The address has the filters, so that what is seen can be passed on and a reload keeps it.
const FILTERS = ["tag", "from", "to", "task", "kind", "run", "text"];

function changed({ group = false } = {}) {
  const form = document.getElementById("filters");
  const chosen = new FormData(form);
  const address = new URL(location.href);
  for (const name of FILTERS) {
    const value = chosen.get(name) ?? "";
    if (value === "") address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  // A link to one group would clear the filters again.
  if (!group && address.hash.startsWith("#group-")) address.hash = "";
  try {
    history.replaceState(history.state, "", address);
  } catch {
    // A page within another may not change its address; the filters work all the same.
  }
  refresh();
}

function filterFromAddress(form) {
  form.reset();
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (!FILTERS.includes(name)) continue;
    for (const field of form.querySelectorAll(`[name="${name}"]`)) {
      if (field.type === "radio") field.checked = field.checked || field.value === value;
      else if (fits(field, value)) field.value = value;
    }
  }
}

function fits(field, value) {
  if (field.tagName === "SELECT") return [...field.options].some((option) => option.value === value);
  return field.type !== "number" || /^\d+$/.test(value);
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
  fill("run", data.runs.map((name) => [name, name]));
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => changed(), 120);
  });
  // On the click, not on `reset`, which a link to a group sends too.
  form.querySelector("button[type=reset]").addEventListener("click", () => setTimeout(() => changed()));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("more").addEventListener("click", showMore);
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", openFromAddress);
  filterFromAddress(form);
  refresh();
  openFromAddress();
  // Browsers take the focus away again when they have found the address's place themselves.
  window.addEventListener("load", () => setTimeout(openFromAddress));
}

start();
draw();
