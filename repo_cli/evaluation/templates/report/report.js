"use strict";
// Sorting, filters and the replies of training. The page reads without it; text is written with textContent only.
(() => {
  const make = (tag, kind, text) => {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      if (!head.hasAttribute("data-sort")) return;
      const words = head.dataset.sort === "text";
      head.classList.add("sort");
      head.tabIndex = 0;
      const sort = () => {
        const down = words ? head.ariaSort === "ascending" : head.ariaSort !== "descending";
        for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const value = (row) => {
          const cell = row.cells[column].dataset.value || "";
          return words ? cell : cell === "" ? null : Number(cell);
        };
        const rows = [...body.rows].sort((a, b) => {
          const x = value(a), y = value(b);
          if (x === null || y === null) return (x === null) - (y === null);
          return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
        });
        body.append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
      });
    });
  }

  for (const chips of document.querySelectorAll(".chips")) {
    const items = document.getElementById(chips.dataset.for).children;
    chips.addEventListener("click", (event) => {
      const chip = event.target.closest("button");
      if (!chip) return;
      const on = chip.getAttribute("aria-pressed") !== "true";
      for (const other of chips.children) other.setAttribute("aria-pressed", String(other === chip && on));
      for (const item of items) item.hidden = on && !item.dataset.keys.split(" ").includes(chip.dataset.key);
    });
  }

  // a link to a part inside a closed one opens it
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  const block = document.getElementById("rollout-data");
  if (!block) return;
  const PAGE = 20;
  const [RUN, STEP, HEARD, REPLY, SCORES, FIRED, KEPT, ANSWER, OWN] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const at = (id) => document.getElementById(id);
  const { rows, about } = JSON.parse(block.textContent);
  let shown = rows, page = 0, texts = null;
  at("browser").hidden = false;

  const fill = (select, all, names) => {
    select.append(new Option(all, ""));
    for (const name of names) select.append(new Option(about[name] ? `${name} ${about[name]}` : name, name));
    select.hidden = names.length < 2;
  };
  fill(at("run"), "all runs", [...new Set(rows.map((r) => r[RUN]))]);
  fill(at("rule"), "any rule", [...new Set(rows.flatMap((r) => r[FIRED].map((f) => f[0])))].sort());

  const least = (value) => (value === null ? -Infinity : value);
  const orders = {
    late: (a, b) => b[STEP] - a[STEP],
    early: (a, b) => a[STEP] - b[STEP],
    high: (a, b) => least(b[SCORES][0]) - least(a[SCORES][0]),
    low: (a, b) => (a[SCORES][0] ?? Infinity) - (b[SCORES][0] ?? Infinity),
    hack: (a, b) => (b[SCORES][3] < 0) - (a[SCORES][3] < 0) || least(b[SCORES][1]) - least(a[SCORES][1]),
    long: (a, b) => b[REPLY].length - a[REPLY].length,
  };

  const marked = (text, fired) => {  // spans count characters, not UTF-16 units
    const letters = [...text], out = document.createDocumentFragment();
    const marks = fired.filter((f) => f[3] >= 0 && f[4] > f[3] && f[4] <= letters.length);
    const cuts = [...new Set([0, letters.length, ...marks.flatMap((f) => [f[3], f[4]])])].sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i++) {
      const piece = letters.slice(cuts[i], cuts[i + 1]).join("");
      const here = marks.filter((f) => f[3] <= cuts[i] && cuts[i + 1] <= f[4]);
      if (!here.length) { out.append(piece); continue; }
      const bad = here.filter((f) => f[2] < 0);
      const kind = !bad.length ? "good" : bad.some((f) => f[1] === "hard") ? "hard" : "soft";
      const mark = make("mark", kind, piece);
      mark.title = here.map((f) => `${f[0]} ${about[f[0]] || ""}`).join("; ");
      out.append(mark);
      for (const f of here) if (f[4] === cuts[i + 1]) out.append(make("sub", "", f[0]));
    }
    return out;
  };

  const drawn = (row) => {
    const card = make("div", "card");
    const head = make("header");
    head.append(make("span", "", `step ${row[STEP]}`), make("small", "", row[RUN] + (row[KEPT] ? "" : ", left out of the update")));
    card.append(head);
    for (const [who, text] of row[HEARD]) card.append(make("div", who === "a" ? "line agent" : "line partner", text));
    const reply = make("div", "line agent");
    reply.append(marked(row[REPLY], row[FIRED]));
    const meta = make("span", "meta");
    const scores = ["total", "RM", "judge", "rules"].map((name, k) => [name, row[SCORES][k]]);
    for (const [name, score] of [...scores, ...row[OWN]]) {
      if (score !== null) meta.append(make("span", "tag", `${name} ${score.toFixed(2).replace("-", "\u2212")}`), " ");
    }
    for (const f of row[FIRED]) meta.append(make("span", `tag ${f[2] >= 0 ? "good" : f[1] === "hard" ? "bad" : "fair"}`, `${f[0]} ${about[f[0]] || ""}`), " ");
    reply.append(meta);
    card.append(reply);
    if (row[ANSWER]) card.append(make("div", "line partner", row[ANSWER]));
    return card;
  };

  const draw = () => {
    const list = at("list");
    list.replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map((row) => { const card = drawn(row); card.classList.add("reply"); return card; }));
    const first = shown.length ? page * PAGE + 1 : 0;
    at("at").textContent = `${first} to ${Math.min(shown.length, (page + 1) * PAGE)} of ${shown.length}`;
    at("back").disabled = page === 0;
    at("next").disabled = (page + 1) * PAGE >= shown.length;
  };

  const choose = () => {
    const wanted = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const run = at("run").value, rule = at("rule").value;
    if (wanted.length && !texts) {
      texts = new Map(rows.map((r) => [r, [r[REPLY], ...r[HEARD].map((h) => h[1]), r[ANSWER], ...r[FIRED].map((f) => `${f[0]} ${about[f[0]] || ""}`)].join("\n").toLowerCase()]));
    }
    shown = rows.filter((r) =>
      (!run || r[RUN] === run) && (!rule || r[FIRED].some((f) => f[0] === rule)) && wanted.every((w) => texts.get(r).includes(w)));
    shown.sort(orders[at("order").value]);
    page = 0;
    draw();
  };

  let waiting = 0;
  at("find").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 150); });
  for (const id of ["run", "rule", "order"]) at(id).addEventListener("change", choose);
  const turn = (by) => { page += by; draw(); at("rollouts").scrollIntoView(); };
  at("back").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  choose();
})();
