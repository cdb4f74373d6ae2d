"use strict";
// Pages work without this file: it makes them quicker and gives them keys.

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

// --- the filter of plays -------------------------------------------------------------------------------------------

let asked = 0;

async function rowsOf(query) {
  const mine = ++asked;
  query.set("part", "1");
  const answer = await fetch(`/plays?${query}`);
  const text = await answer.text();
  return mine === asked && answer.ok ? text : null;
}

function filterQuery() {
  const query = new URLSearchParams(new FormData(one("#filter")));
  for (const [name, value] of [...query]) if (value === "") query.delete(name);
  return query;
}

async function filter() {
  const query = filterQuery();
  const where = query.toString();
  const rows = await rowsOf(query);
  if (rows === null) return;
  one("#rows").innerHTML = rows;
  history.replaceState(null, "", where ? `/plays?${where}` : "/plays");
  document.body.dataset.filtered = where;
  lookFurther();
}

async function more(link) {
  const query = new URLSearchParams(new URL(link.href).search);
  link.textContent = "Looking…";
  const rows = await rowsOf(query);
  if (rows === null) return;
  const foot = one("#rows .foot");
  foot.insertAdjacentHTML("beforebegin", rows);
  foot.remove();
  lookFurther();
}

// A page ends where its time ends; as long as it showed few plays, go on without being asked.
function lookFurther() {
  const link = one("#more[data-auto]");
  if (link && all("#rows tr[data-href]").length < 50) more(link);
}

function watchFilter() {
  const form = one("#filter");
  if (!form) return;
  let timer = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(filter, event.target.matches("select") ? 0 : 120);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  one("#rows").addEventListener("click", (event) => {
    const link = event.target.closest("#more");
    if (link) { event.preventDefault(); more(link); return; }
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a") && !String(getSelection())) location.href = row.dataset.href;
  });
  lookFurther();
}

// --- copying -------------------------------------------------------------------------------------------------------

const quoted = (word) => (/^[\w./:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function command(button) {
  if (button.dataset.copy) return button.dataset.copy;
  const words = [...filterQuery()].map(([name, value]) => `--${name} ${quoted(value)}`);
  return [button.dataset.verb, ...words].join(" ");
}

async function copy(button) {
  const was = button.textContent;
  try {
    await navigator.clipboard.writeText(command(button));
    button.textContent = "Copied";
  } catch {
    prompt("Copy:", command(button));
  }
  setTimeout(() => { button.textContent = was; }, 1200);
}

// --- keys ----------------------------------------------------------------------------------------------------------

function step(selector, by) {
  const places = all(selector);
  const here = places.findIndex((each) => each.classList.contains("here") || each === document.activeElement);
  const next = places[here < 0 ? (by > 0 ? 0 : places.length - 1) : Math.min(places.length - 1, Math.max(0, here + by))];
  if (!next) return;
  all(".here").forEach((each) => each.classList.remove("here"));
  next.classList.add("here");
  next.scrollIntoView({ block: "nearest" });
  if (next.tabIndex >= 0) next.focus();
  if (next.id) history.replaceState(null, "", `#${next.id}`);
}

const KEYS = {
  j: () => step("tr[data-href], .said", 1),
  k: () => step("tr[data-href], .said", -1),
  n: () => step(".turn", 1),
  p: () => step(".turn", -1),
  Enter: () => { const row = document.activeElement?.closest("tr[data-href]"); if (row) location.href = row.dataset.href; },
  "/": (event) => { const words = one("#filter [name=words]"); if (words) { event.preventDefault(); words.focus(); } },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, button, a")) return;
  KEYS[event.key]?.(event);
});

// --- what the daemon does, kept fresh ------------------------------------------------------------------------------

async function refresh(story) {
  if (document.hidden) return;
  const answer = await fetch("/status").catch(() => null);
  if (!answer?.ok) return;
  const told = await answer.json();
  const now = story.querySelector(".now");
  if (story.dataset.why !== undefined && story.dataset.why !== told.why) location.reload();
  story.dataset.why = told.why;
  now.lastChild.textContent = told.now;
  now.querySelector(".dot").classList.toggle("on", told.running);
  const bar = story.querySelector("progress");
  if (bar && told.progress) { bar.max = told.progress.total || 1; bar.value = told.progress.done; }
}

const story = one(".story[data-refresh]");
if (story) setInterval(() => refresh(story), 1000 * Number(story.dataset.refresh));

document.addEventListener("click", (event) => { const button = event.target.closest(".copy"); if (button) copy(button); });
watchFilter();
