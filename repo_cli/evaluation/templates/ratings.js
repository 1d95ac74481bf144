
"use strict";
// Every text of the data is shown with textContent; nothing is ever read as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);
const answers = {};
let at = 0;
let dirty = false;

function kept() {
  try { return JSON.parse(localStorage.getItem(data.name) || "{}"); } catch (_) { return {}; }
}
function keep() {
  try { localStorage.setItem(data.name, JSON.stringify({ rater: by("rater").value, answers })); } catch (_) { /* no storage: the CSV is what counts */ }
}
function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function lines(into, list) {
  for (const line of list) {
    const box = element("div", undefined, "line " + (["agent", "partner", "recorded"].includes(line.who) ? line.who : "partner"));
    box.append(element("small", line.mark ? line.who + ", marked: " + line.mark : line.who));
    box.append(element("span", line.text));
    into.append(box);
  }
}
function answer(item) {
  if (!answers[item.id]) answers[item.id] = {};
  return answers[item.id];
}
function whole(item) {
  const given = answers[item.id] || {};
  return data.fields.every((field) => given[field.name] !== undefined && given[field.name] !== "");
}
function options(field) {
  if (field.scale === "1-5") return [["1", "1"], ["2", "2"], ["3", "3"], ["4", "4"], ["5", "5"]];
  if (field.scale === "0/1") return [["1", "yes"], ["0", "no"]];
  return [["A", "A"], ["B", "B"], ["tie", "tie"]];
}
function set(field, value) {
  answer(data.items[at])[field.name] = value;
  dirty = true;
  keep();
  draw(false);
}
function ask(item) {
  const into = by("ask");
  into.replaceChildren();
  for (const field of data.fields) {
    const group = element("fieldset");
    group.append(element("legend", field.label));
    for (const [value, label] of options(field)) {
      const button = element("button", label);
      button.type = "button";
      button.dataset.field = field.name;
      button.dataset.value = value;
      button.setAttribute("aria-pressed", String((answers[item.id] || {})[field.name] === value));
      button.addEventListener("click", () => set(field, value));
      group.append(button);
    }
    into.append(group);
  }
}
function draw(fresh) {
  const item = data.items[at];
  const done = data.items.filter(whole).length;
  by("state").textContent = "Item " + (at + 1) + " of " + data.items.length + ", " + done + " rated";
  by("progress").value = done;
  ask(item);
  if (!fresh) return;
  const into = by("item");
  into.replaceChildren();
  if (item.brief) {
    const brief = element("details");
    brief.append(element("summary", "The agent's brief"), element("p", item.brief));
    into.append(brief);
  }
  if (item.before.length) {
    into.append(element("h2", "So far"));
    lines(into, item.before);
  }
  const parts = element("div", undefined, "parts");
  for (const part of item.parts) {
    const box = element("section");
    box.append(element("h2", part.label || "To rate"));
    lines(box, part.lines);
    parts.append(box);
  }
  into.append(parts);
  const label = element("label", "Comment (optional)", "soft");
  const comment = element("textarea");
  comment.rows = 2;
  comment.value = (answers[item.id] || {}).comment || "";
  comment.addEventListener("input", () => { answer(item).comment = comment.value; dirty = true; keep(); });
  label.append(comment);
  into.append(label);
}
function go(to) {
  at = Math.max(0, Math.min(data.items.length - 1, to));
  draw(true);
  window.scrollTo(0, 0);
}
function nextOpen() {
  for (let step = 1; step <= data.items.length; step++) {
    const place = (at + step) % data.items.length;
    if (!whole(data.items[place])) return go(place);
  }
}
function cell(value) {
  let text = String(value === undefined ? "" : value);
  if (/^\s*[=+\-@]/.test(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}
function csv() {
  const rater = by("rater").value.trim() || "rater" + data.sheet;
  const columns = ["item", "rater", ...data.fields.map((field) => field.name), "comment"];
  const rows = data.items.map((item) => columns.map((name) => name === "item" ? item.id : name === "rater" ? rater : (answers[item.id] || {})[name]));
  return "\ufeff" + [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
function save() {
  const link = element("a");
  const rater = (by("rater").value.trim() || "rater" + data.sheet).replace(/[^\p{L}\p{N}_-]+/gu, "_");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" }));
  link.download = "ratings-" + data.sheet + "-" + rater + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  dirty = false;
}
document.addEventListener("keydown", (event) => {
  if (["INPUT", "TEXTAREA"].includes(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const first = data.fields[0];
  const key = event.key.toLowerCase();
  const wanted = { a: "A", b: "B", t: "tie" }[key] || key;
  if (event.key === "ArrowRight") return go(at + 1);
  if (event.key === "ArrowLeft") return go(at - 1);
  if (options(first).some(([value]) => value === wanted)) set(first, wanted);
});
by("back").addEventListener("click", () => go(at - 1));
by("next").addEventListener("click", () => go(at + 1));
by("open").addEventListener("click", nextOpen);
by("save").addEventListener("click", save);
by("rater").addEventListener("input", keep);
window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
const before = kept();
Object.assign(answers, before.answers || {});
by("rater").value = before.rater || "rater" + data.sheet;
go(0);
