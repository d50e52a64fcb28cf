"use strict";
(() => {
  const cards = JSON.parse(document.getElementById("label-data").textContent);
  const named = (id) => document.getElementById(id);
  const choices = ["correct", "incorrect", "unsure"];
  const labels = new Map();
  // Labels of another sheet in the same browser are another's: the key says which responses these are.
  const store = "contextrl-labels-" + cards.map((card) => card.digest).join("").slice(0, 240) + "-" + cards.length;
  let place = 0;

  const remember = () => {
    try {
      localStorage.setItem(store, JSON.stringify([...labels]));
    } catch {
      // A browser that keeps nothing for files: the saved file is all there is.
    }
  };
  try {
    for (const [id, label] of JSON.parse(localStorage.getItem(store) ?? "[]")) {
      if (choices.includes(label) && cards.some((card) => card.id === id)) labels.set(id, label);
    }
  } catch {
    labels.clear();
  }

  const show = () => {
    const card = cards[place];
    for (const id of ["question", "solution", "answer", "response"]) named(id).textContent = card[id] || "–";
    named("place").textContent = `${place + 1} of ${cards.length}`;
    named("done").textContent = `${labels.size} labelled`;
    named("pictures").replaceChildren(
      ...card.pictures.map((uri, number) => {
        const picture = document.createElement("img");
        picture.src = uri;
        picture.alt = `picture ${number + 1}`;
        picture.className = "sample";
        return picture;
      }),
    );
    const label = labels.get(card.id);
    const fixed = label !== undefined && card.verdict !== null;
    for (const choice of choices) {
      named(choice).setAttribute("aria-pressed", String(choice === label));
      named(choice).disabled = fixed;
    }
    named("verdict").hidden = !fixed;
    named("verdict").textContent = fixed ? `The judge: ${card.verdict}. ${card.report ?? ""}` : "";
    named("back").disabled = place === 0;
    named("on").disabled = place === cards.length - 1;
  };

  const go = (to) => {
    place = Math.min(Math.max(to, 0), cards.length - 1);
    show();
  };
  const open = () => {
    const order = cards.map((_, number) => (place + 1 + number) % cards.length);
    const next = order.find((number) => !labels.has(cards[number].id));
    if (next !== undefined) go(next);
  };
  const choose = (label) => {
    const card = cards[place];
    if (card.verdict !== null && labels.has(card.id)) return;
    labels.set(card.id, label);
    remember();
    // A verdict that is to be seen is read before the next response.
    if (card.verdict === null && place < cards.length - 1) go(place + 1);
    else show();
  };
  const save = () => {
    const lines = cards
      .filter((card) => labels.has(card.id))
      .map((card) => JSON.stringify({ id: card.id, digest: card.digest, label: labels.get(card.id) }) + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    link.download = "labels.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  };

  for (const choice of choices) named(choice).addEventListener("click", () => choose(choice));
  named("back").addEventListener("click", () => go(place - 1));
  named("on").addEventListener("click", () => go(place + 1));
  named("open").addEventListener("click", open);
  named("save").addEventListener("click", save);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = { c: "correct", i: "incorrect", u: "unsure" }[event.key.toLowerCase()];
    if (chosen) choose(chosen);
    else if (event.key === "ArrowLeft") go(place - 1);
    else if (event.key === "ArrowRight") go(place + 1);
    else return;
    event.preventDefault();
  });
  show();
  document.documentElement.dataset.drawn = "";
})();
