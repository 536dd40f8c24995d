"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat("en-US");
  const share = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const lowered = data.rows.map((place) => data.words[place].toLowerCase());
  const rowOf = new Map(data.rows.map((place, row) => [place, row]));
  const state = { model: 0, text: "", key: "rank", down: false, page: 0, open: new Set() };

  const columns = [
    { key: "word", title: "Word", first: "up" },
    { key: "rank", title: "Rank", first: "up", values: () => data.ranks, show: whole },
    { key: "count", title: "Count", values: () => data.counts, show: whole },
    { key: "stability", title: "Stability", first: "up", values: (m) => m.stability, show: share, bar: true },
    { key: "lowest", title: "Lowest pair", first: "up", values: (m) => m.lowest, show: share },
    { key: "aligned", title: "Aligned cosine", first: "up", values: (m) => m.aligned, show: share },
    { key: "everywhere", title: "In all runs", values: (m) => m.everywhere, show: whole },
  ];

  function neighborsOf(model) {
    if (!model.decoded) {
      const text = atob(model.neighbors);
      const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
      const view = new DataView(bytes.buffer);
      const read = model.bytes === 2 ? (n) => view.getUint16(2 * n, true) : (n) => view.getUint32(4 * n, true);
      const none = model.bytes === 2 ? 0xffff : 0xffffffff;
      model.decoded = (row) => model.runs.map((_, run) => {
        const start = (row * model.runs.length + run) * model.k;
        return Array.from({ length: model.k }, (_, n) => read(start + n)).filter((place) => place !== none);
      });
    }
    return model.decoded;
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function chosen() {
    const model = data.models[state.model];
    const text = state.text.trim().toLowerCase();
    const rows = data.rows.map((_, row) => row).filter((row) => lowered[row].includes(text));
    const column = columns.find((candidate) => candidate.key === state.key);
    const sign = state.down ? -1 : 1;
    if (!column.values) {
      const order = new Intl.Collator("en").compare;
      return rows.sort((a, b) => sign * order(data.words[data.rows[a]], data.words[data.rows[b]]) || a - b);
    }
    const values = column.values(model);
    return rows.sort((a, b) => {
      if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
      return sign * (values[a] - values[b]) || a - b;
    });
  }

  function chip(place, times, runs) {
    const word = data.words[place];
    const known = rowOf.has(place);
    const made = element(known ? "button" : "span", { className: "chip", dir: "auto", title: `in ${times} of ${runs} runs` });
    if (known) made.type = "button";
    made.textContent = word;
    made.dataset.place = place;
    made.style.setProperty("--share", runs > 1 ? (times - 1) / (runs - 1) : 1);
    made.classList.toggle("once", times === 1);
    made.classList.toggle("every", times === runs);
    return made;
  }

  function details(row) {
    const model = data.models[state.model];
    const lists = neighborsOf(model)(row);
    const times = new Map();
    for (const place of lists.flat()) times.set(place, (times.get(place) || 0) + 1);
    const runs = element("dl", { className: "runs" });
    lists.forEach((list, run) => {
      const chips = list.map((place) => chip(place, times.get(place), lists.length));
      runs.append(element("dt", {}, model.runs[run]), element("dd", {}, ...(chips.length ? chips : ["no neighbors: the word has no vector"])));
    });
    const legend = element("p", { className: "legend" }, "A neighbor found in");
    for (let n = 1; n <= lists.length; n += Math.max(1, Math.floor((lists.length - 1) / 4))) {
      const sample = element("span", { className: "chip", textContent: n === 1 ? "1 run" : n === lists.length ? `all ${n}` : n });
      sample.style.setProperty("--share", (n - 1) / (lists.length - 1));
      sample.classList.toggle("once", n === 1);
      sample.classList.toggle("every", n === lists.length);
      legend.append(sample);
    }
    const inside = element("div", { className: "inside" }, legend, runs);
    const cell = element("td", { colSpan: columns.length }, inside);
    return element("tr", { className: "details", id: `details-${row}` }, cell);
  }

  function wordRow(row) {
    const model = data.models[state.model];
    const opened = state.open.has(row);
    const word = element("bdi", { textContent: data.words[data.rows[row]] });
    const button = element("button", { type: "button", className: "open" }, word);
    button.dataset.row = row;
    button.setAttribute("aria-expanded", opened);
    if (opened) button.setAttribute("aria-controls", `details-${row}`);
    const line = element("tr", { className: "word" }, element("td", {}, button));
    for (const column of columns.slice(1)) {
      const value = column.values(model)[row];
      const cell = element("td", { className: "n", textContent: value === null ? "–" : column.show.format(value) });
      if (column.bar) {
        const filled = element("i", {});
        filled.style.width = `${100 * (value || 0)}%`;
        cell.append(element("span", { className: "bar" }, filled));
      }
      line.append(cell);
    }
    return opened ? [line, details(row)] : [line];
  }

  function header() {
    const cells = columns.map((column) => {
      const button = element("button", { type: "button", textContent: column.title });
      button.dataset.key = column.key;
      const cell = element("th", { scope: "col", className: column.values ? "n" : "" }, button);
      if (column.key === state.key) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      return cell;
    });
    byId("table").tHead.rows[0].replaceChildren(...cells);
  }

  let order = [];
  function draw() {
    const pages = Math.max(1, Math.ceil(order.length / PAGE));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const shown = order.slice(state.page * PAGE, (state.page + 1) * PAGE);
    byId("table").tBodies[0].replaceChildren(...shown.flatMap(wordRow));
    byId("page").textContent = `Page ${whole.format(state.page + 1)} of ${whole.format(pages)}`;
    byId("found-words").textContent = order.length === 1 ? "1 word" : `${whole.format(order.length)} words`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
  }

  function redraw() {
    order = chosen();
    state.page = 0;
    draw();
  }

  function toggle(row) {
    if (!state.open.delete(row)) state.open.add(row);
    draw();
    document.querySelector(`[data-row="${row}"]`).focus();
  }

  function visit(place) {
    const row = rowOf.get(place);
    state.text = byId("search").value = "";
    order = chosen();
    state.page = Math.floor(order.indexOf(row) / PAGE);
    state.open.add(row);
    draw();
    const button = document.querySelector(`[data-row="${row}"]`);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "center" });
  }

  byId("table").addEventListener("click", (event) => {
    const target = event.target.closest("button");
    if (!target) return;
    if (target.dataset.key) {
      const column = columns.find((candidate) => candidate.key === target.dataset.key);
      state.down = column.key === state.key ? !state.down : column.first !== "up";
      state.key = column.key;
      header();
      redraw();
      document.querySelector(`[data-key="${column.key}"]`).focus();
    } else if (target.dataset.row) toggle(Number(target.dataset.row));
    else if (target.dataset.place) visit(Number(target.dataset.place));
  });

  function mark(event, on) {
    const over = event.target.closest(".chip[data-place]");
    if (!over) return;
    const around = over.closest(".runs");
    for (const same of around.querySelectorAll(`[data-place="${over.dataset.place}"]`)) same.classList.toggle("same", on);
  }
  for (const name of ["mouseover", "focusin"]) byId("table").addEventListener(name, (event) => mark(event, true));
  for (const name of ["mouseout", "focusout"]) byId("table").addEventListener(name, (event) => mark(event, false));

  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", (event) => { state.text = event.target.value; redraw(); });
  byId("models").addEventListener("change", (event) => { state.model = Number(event.target.value); redraw(); });
  byId("previous").addEventListener("click", () => { state.page -= 1; draw(); });
  byId("next").addEventListener("click", () => { state.page += 1; draw(); });

  state.model = Number(document.querySelector("#models input:checked").value);
  header();
  redraw();
})();
