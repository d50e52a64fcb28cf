// ---- samples of a set -----------------------------------------------------------------------------------------------

const cards = [...document.querySelectorAll("#samples > .sample")];
const NAMES = ["source", "task", "type"];

function enlargeSmallPictures() {
  for (const image of document.querySelectorAll("img.shot")) {
    const enlarge = () => {
      // As high as a picture may be here at most, or it would be stretched.
      const times = Math.floor(Math.min(3, 340 / image.naturalWidth, 340 / image.naturalHeight));
      if (!image.naturalWidth || times < 2) return;
      image.width = times * image.naturalWidth;
      image.classList.add("tiny");
    };
    if (image.complete) enlarge();
    else image.addEventListener("load", enlarge);
  }
}

function filterSamples(form) {
  const chosen = Object.fromEntries(new FormData(form));
  const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const fits = NAMES.every((name) => !chosen[name] || card.dataset[name] === chosen[name])
      && words.every((word) => card.textContent.toLowerCase().includes(word));
    card.hidden = !fits;
    shown += fits;
  }
  const count = shown === 1 ? "1 sample" : `${shown.toLocaleString("en")} samples`;
  document.getElementById("count").textContent = shown ? count : "No sample is like that.";
}

// j and k go to the next and the last sample, as in the gallery of a report.
function onSampleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (!document.getElementById("gallery").contains(document.activeElement)) return;
  const step = { j: 1, k: -1 }[event.key];
  if (!step) return;
  const summaries = cards.filter((card) => !card.hidden).map((card) => card.querySelector("summary"));
  const next = summaries[Math.max(0, summaries.indexOf(document.activeElement) + step)];
  if (next) next.focus();
}

function startSamples() {
  enlargeSmallPictures();
  const form = document.getElementById("filters");
  if (!form) return;
  for (const name of NAMES) {
    const values = [...new Set(cards.map((card) => card.dataset[name]))].filter(Boolean).sort();
    form.querySelector(`select[name="${name}"]`).append(
      ...values.map((value) => make("option", { value, textContent: value })),
    );
  }
  form.reset();
  form.addEventListener("input", () => filterSamples(form));
  form.querySelector("button[type=reset]").addEventListener("click", () => setTimeout(() => filterSamples(form)));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", onSampleKey);
  filterSamples(form);
}

startSamples();
draw();
