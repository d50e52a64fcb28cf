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
// Of a figure on paper that stands alone, and of one of two beside each other, in pixels of a page's 190 millimetres.
const ON_PAPER = { alone: 690, beside: 335 };
const NARROW = 480;

async function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const chart = charts[place.dataset.chart];
    // `ast` lets Vega read its expressions instead of compiling them: the page forbids eval.
    const options = {
      actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true },
    };
    try {
      if (place.clientWidth < NARROW) chart.spec.config.axisY.labelLimit = Math.round(0.42 * place.clientWidth);
      const { view } = await vegaEmbed(place, chart.spec, options);
      place.classList.remove("vega-embed");
      place.view = view;
      if (chart.legend.length) place.before(legend(chart.legend, view));
      if (chart.spec.name === "heat") place.before(gradient(chart.scale));
    } catch (error) {
      place.textContent = `This chart cannot be drawn: ${error.message}`;
      console.error(error);
    }
  }
  document.documentElement.dataset.drawn = "true";
}

// Names of series, which wrap where a chart's own legend would be cut. Pressed ones are seen alone.
function legend(series, view) {
  const chosen = new Set();
  const buttons = series.map(({ name, colour, dash }) => {
    const button = make("button", { type: "button" }, swatch(colour, dash), make("bdi", { textContent: name }));
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", (event) => {
      const alone = chosen.size === 1 && chosen.has(name);
      if (event.shiftKey) chosen.has(name) ? chosen.delete(name) : chosen.add(name);
      else {
        chosen.clear();
        if (!alone) chosen.add(name);
      }
      buttons.forEach((one, n) => one.setAttribute("aria-pressed", String(chosen.has(series[n].name))));
      view.signal("shown", [...chosen]).runAsync();
    });
    return button;
  });
  const list = make("ul", { className: "legend" }, ...buttons.map((button) => make("li", {}, button)));
  list.setAttribute("aria-label", "Series");
  return list;
}

// A picture, so that it is printed where backgrounds are not.
function drawing(width, ...shapes) {
  const size = `width="${width}" height="12"`;
  const source = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${shapes.join("")}</svg>`;
  return make("img", { width, height: 12, alt: "", src: `data:image/svg+xml,${encodeURIComponent(source)}` });
}

function swatch(colour, dash) {
  if (!dash) return drawing(12, `<rect width="12" height="12" fill="${colour}"/>`);
  const line = `x1="0" x2="28" y1="6" y2="6" stroke-width="2.5" stroke="${colour}"`;
  return drawing(28, `<line ${line} stroke-dasharray="${dash.join(" ")}"/>`);
}

// Vega's scheme of this name, from nothing to all.
const CIVIDIS = ["#002051", "#2b446e", "#5a5f6e", "#7f7c75", "#a79f6f", "#d6c15d", "#fdea45"];

function gradient(title) {
  const size = 18;
  const parts = CIVIDIS.map((fill, n) => `<rect x="${n * size}" width="${size}" height="12" fill="${fill}"/>`);
  const bar = drawing(size * parts.length, ...parts);
  const scale = make("span", { className: "ends" }, "0%", bar, "100%");
  return make("ul", { className: "legend" }, make("li", {}, `${title}: `, scale));
}

// On paper charts are as wide as their columns there, or their text would shrink with them.
window.addEventListener("beforeprint", () => {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const alone = place.closest(".figure").matches(":only-child, .wide");
    if (place.view) place.view.width(alone ? ON_PAPER.alone : ON_PAPER.beside).resize().run();
  }
});
window.addEventListener("afterprint", () => window.dispatchEvent(new Event("resize")));

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

