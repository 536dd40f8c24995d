"use strict";
(async () => {
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat("en-US");
  const share = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const digits = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
  const TYPES = { i2: Int16Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };
  const NO_VALUE = -32768;

  async function unpacked(id) {
    const text = atob(byId(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let n = 0; n < text.length; n += 1) bytes[n] = text.charCodeAt(n);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    let start = 4 + new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4)));
    header.arrays = header.arrays.map(([type, length]) => {
      start += (8 - (start % 8)) % 8;
      const array = new TYPES[type](buffer, start, length);
      start += array.byteLength;
      return array;
    });
    return header;
  }

  for (const chooser of document.querySelectorAll(".chooser")) {
    const maps = [...chooser.nextElementSibling.children];
    const select = chooser.querySelector("select");
    const show = () => maps.forEach((map, n) => { map.hidden = n !== Number(select.value); });
    if (maps.length < 2) continue;
    chooser.hidden = false;
    chooser.nextElementSibling.classList.add("one");
    select.addEventListener("input", show);
    show();
  }

  if (!byId("words-data")) return;
  if (!("DecompressionStream" in window)) {
    byId("found-words").textContent = "The table of words needs a browser of 2023 or newer.";
    return;
  }
  const data = await unpacked("words-data");
  const { words, models } = data;
  const counts = data.arrays.shift();
  for (const model of models) for (const column of model.columns) column.values = data.arrays.shift();
  const lowered = words.map((word) => word.toLowerCase());
  const idOf = new Map(words.map((word, id) => [word, id]));
  const state = { model: 0, text: "", key: "rank", down: false, page: 0, open: new Set(), band: "", least: "", most: "" };
  let order = [];

  const same = [
    { key: "word", title: "Word", first: "up", meaning: "In alphabetical order" },
    { key: "rank", title: "Rank", first: "up", meaning: "Place by how often the word occurs", of: (id) => id + 1, show: whole },
    ...(data.counted ? [{ key: "count", title: "Count", first: "down", meaning: "How often the word occurs", of: (id) => counts[id], show: whole }] : []),
  ];
  for (const model of models) {
    for (const column of model.columns) {
      const { values, scale } = column;
      column.of = scale ? (id) => (values[id] === NO_VALUE ? NaN : values[id] / scale) : (id) => values[id];
      column.show = scale === 1 ? whole : scale ? share : digits;
      column.bar = column.key === "stability";
    }
  }
  const model = () => models[state.model];
  const columns = () => [...same, ...model().columns];
  const valueOf = (key) => columns().find((column) => column.key === key).of;

  let alphabet;
  function alphabetical() {
    if (alphabet) return alphabet;
    const plain = lowered.map((word) => (/^[\x20-\x7e]*$/.test(word) ? word : word.normalize("NFKD").replace(/\p{M}/gu, "")));
    const ids = words.map((_, id) => id).sort((a, b) => (plain[a] < plain[b] ? -1 : plain[a] > plain[b] ? 1 : a - b));
    alphabet = new Float64Array(words.length);
    ids.forEach((id, place) => { alphabet[id] = place; });
    return alphabet;
  }

  // Ids from the lowest value to the highest, or the reverse; those without a value last, equal ones by rank.
  function sorted(ids) {
    const value = state.key === "word" ? (id) => alphabetical()[id] : valueOf(state.key);
    const keys = new Float64Array(words.length);
    for (const id of ids) {
      const found = value(id);
      keys[id] = Number.isNaN(found) ? Infinity : state.down ? -found : found;
    }
    return ids.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
  }

  // What is searched for itself, then words that begin with it, then others that have it inside.
  function nearestFirst(ids, text) {
    if (!text) return ids;
    const groups = [[], [], []];
    for (const id of ids) groups[lowered[id] === text ? 0 : lowered[id].startsWith(text) ? 1 : 2].push(id);
    return groups.flat();
  }

  function chosen() {
    const text = state.text.trim().toLowerCase();
    const [first, last] = state.band === "" ? [1, words.length] : data.bands[state.band];
    const filtered = valueOf("stability");
    const least = state.least === "" ? -Infinity : Number(state.least);
    const most = state.most === "" ? Infinity : Number(state.most);
    const any = least === -Infinity && most === Infinity;
    const ids = [];
    for (let id = first - 1; id < last; id += 1) {
      if (text && !lowered[id].includes(text)) continue;
      if (any || (filtered(id) >= least && filtered(id) <= most)) ids.push(id);
    }
    return nearestFirst(state.key === "rank" && !state.down ? ids : sorted(ids), text);
  }

  async function neighborsOf(index) {
    const one = models[index];
    if (!one.lists) {
      const [listed, ids] = (await unpacked(`neighbors-${index}`)).arrays;
      one.lists = { row: new Map(Array.from(listed, (id, row) => [id, row])), ids, none: ids instanceof Uint16Array ? 0xffff : 0xffffffff };
    }
    return one.lists;
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function chip(id, times, runs) {
    const made = element("button", { type: "button", className: "chip", dir: "auto", title: `in ${times} of ${runs} ${data.run}s`, textContent: words[id] });
    made.dataset.id = id;
    made.style.setProperty("--share", runs > 1 ? (times - 1) / (runs - 1) : 1);
    made.classList.toggle("once", times === 1);
    made.classList.toggle("every", times === runs);
    return made;
  }

  function legendOf(runs) {
    const legend = element("p", { className: "legend" }, "A neighbor found in");
    for (let n = 1; n <= runs; n += Math.max(1, Math.floor((runs - 1) / 4))) {
      const sample = element("span", { className: "chip", textContent: n === 1 ? `1 ${data.run}` : n === runs ? `all ${n}` : n });
      sample.style.setProperty("--share", (n - 1) / Math.max(1, runs - 1));
      sample.classList.toggle("once", n === 1);
      sample.classList.toggle("every", n === runs);
      legend.append(sample);
    }
    return legend;
  }

  function sideBySide(one, lists, row) {
    const { runs, k } = one;
    const found = runs.map((_, run) => Array.from(lists.ids.subarray((row * runs.length + run) * k, (row * runs.length + run + 1) * k)).filter((id) => id !== lists.none));
    const times = new Map();
    for (const id of found.flat()) times.set(id, (times.get(id) || 0) + 1);
    const made = element("div", { className: "runs" });
    found.forEach((list, run) => {
      const items = list.map((id) => element("li", {}, chip(id, times.get(id), runs.length)));
      const title = element("h3", { textContent: runs[run] });
      made.append(element("section", {}, title, items.length ? element("ol", {}, ...items) : "no neighbors: the word has no vector"));
    });
    return [legendOf(runs.length), made];
  }

  function details(id) {
    const inside = element("div", { className: "inside" }, "…");
    const index = state.model;
    neighborsOf(index).then((lists) => {
      const row = lists.row.get(id);
      if (row === undefined) inside.textContent = "The neighbors of this word are not in this page, to keep it small; gpuemb neighbors lists them from the vectors.";
      else inside.replaceChildren(...sideBySide(models[index], lists, row));
    });
    return element("tr", { className: "details", id: `details-${id}` }, element("td", { colSpan: columns().length }, inside));
  }

  function wordRow(id) {
    const opened = state.open.has(id);
    const button = element("button", { type: "button", className: "open" }, element("bdi", { textContent: words[id] }));
    button.dataset.row = id;
    button.setAttribute("aria-expanded", opened);
    if (opened) button.setAttribute("aria-controls", `details-${id}`);
    const line = element("tr", { className: "word" }, element("td", {}, button));
    for (const column of columns().slice(1)) {
      const value = column.of(id);
      const cell = element("td", { className: "n", textContent: Number.isNaN(value) ? "–" : column.show.format(value) });
      if (column.bar) {
        const filled = element("i", {});
        filled.style.width = `${100 * (value || 0)}%`;
        cell.append(element("span", { className: "bar" }, filled));
      }
      line.append(cell);
    }
    return opened ? [line, details(id)] : [line];
  }

  function header() {
    const cells = columns().map((column) => {
      const button = element("button", { type: "button", textContent: column.title, title: column.meaning });
      button.dataset.key = column.key;
      const cell = element("th", { scope: "col", className: column.of ? "n" : "" }, button);
      if (column.key === state.key) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      return cell;
    });
    byId("table").tHead.rows[0].replaceChildren(...cells);
  }

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
    if (!columns().some((column) => column.key === state.key)) state.key = "rank";
    header();
    order = chosen();
    state.page = 0;
    draw();
  }

  function linked(id) {
    const where = models.length > 1 ? `&model=${encodeURIComponent(model().name)}` : "";
    history.replaceState(null, "", `#word=${encodeURIComponent(words[id].toWellFormed ? words[id].toWellFormed() : words[id])}${where}`);
  }

  function toggle(id) {
    if (!state.open.delete(id)) {
      state.open.add(id);
      linked(id);
    }
    draw();
    document.querySelector(`[data-row="${id}"]`).focus();
  }

  function visit(id) {
    for (const name of ["search", "band", "least", "most"]) byId(name).value = "";
    Object.assign(state, { text: "", band: "", least: "", most: "" });
    order = chosen();
    state.page = Math.floor(order.indexOf(id) / PAGE);
    state.open.add(id);
    draw();
    linked(id);
    const button = document.querySelector(`[data-row="${id}"]`);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "center", behavior: "instant" });
  }

  function followLink() {
    const asked = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    if (!asked.has("word")) return;
    const index = models.findIndex((one) => one.name === asked.get("model"));
    if (index >= 0) {
      state.model = index;
      document.querySelector(`#models input[value="${index}"]`).checked = true;
    }
    const word = asked.get("word");
    const id = idOf.get(word) ?? idOf.get(word.toLowerCase());
    redraw();
    if (id !== undefined) visit(id);
    else byId("found-words").textContent = `${word} is not a word of this page`;
  }

  function download() {
    const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const written = (value) => (Number.isNaN(value) ? "" : String(value));
    const lines = [columns().map((column) => quoted(column.title)).join(",")];
    for (const id of order) lines.push([quoted(words[id]), ...columns().slice(1).map((column) => written(column.of(id)))].join(","));
    const address = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" }));
    element("a", { href: address, download: `words of ${model().name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  byId("table").addEventListener("click", (event) => {
    const target = event.target.closest("button");
    if (!target) return;
    if (target.dataset.key) {
      const column = columns().find((candidate) => candidate.key === target.dataset.key);
      state.down = column.key === state.key ? !state.down : column.first !== "up";
      state.key = column.key;
      redraw();
      document.querySelector(`[data-key="${column.key}"]`).focus();
    } else if (target.dataset.row) toggle(Number(target.dataset.row));
    else if (target.dataset.id) visit(Number(target.dataset.id));
  });

  function mark(event, on) {
    const over = event.target.closest(".chip[data-id]");
    if (!over) return;
    for (const alike of over.closest(".runs").querySelectorAll(`[data-id="${over.dataset.id}"]`)) alike.classList.toggle("same", on);
  }
  for (const name of ["mouseover", "focusin"]) byId("table").addEventListener(name, (event) => mark(event, true));
  for (const name of ["mouseout", "focusout"]) byId("table").addEventListener(name, (event) => mark(event, false));

  data.bands.forEach(([first, last], n) => byId("band").append(element("option", { value: n, textContent: `ranks ${whole.format(first)} to ${whole.format(last)}` })));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const [id, key] of [["search", "text"], ["band", "band"], ["least", "least"], ["most", "most"]]) {
    byId(id).addEventListener("input", (event) => { state[key] = event.target.value; redraw(); });
  }
  byId("models").addEventListener("change", (event) => { state.model = Number(event.target.value); redraw(); });
  byId("previous").addEventListener("click", () => { state.page -= 1; draw(); });
  byId("next").addEventListener("click", () => { state.page += 1; draw(); });
  byId("download").addEventListener("click", download);
  window.addEventListener("hashchange", followLink);

  redraw();
  followLink();
})();
