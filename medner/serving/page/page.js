"use strict";

// Text from outside is only ever set as textContent or as an attribute, never as markup.
const $ = (id) => document.getElementById(id);
const KNOWN = ["PERSON", "ORG", "LOC", "MEDICAL"]; // labels with a colour of their own in base.css
const OTHERS = 5; // colours for all other labels

const state = { pipelines: [], text: "", annotations: {}, hidden: new Set(), threshold: 0, request: null };

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function labels() {
  const all = [...new Set(state.pipelines.flatMap((pipeline) => pipeline.labels))];
  return [...KNOWN.filter((label) => all.includes(label)), ...all.filter((label) => !KNOWN.includes(label))];
}

function tone(label) {
  if (KNOWN.includes(label)) return `var(--label-${label.toLowerCase()})`;
  const number = labels().filter((one) => !KNOWN.includes(one)).indexOf(label);
  return `color-mix(in srgb, var(--c${(number % OTHERS) + 1}) 28%, var(--surface))`;
}

const key = (entity) => `${entity.start}-${entity.end}-${entity.label}`;
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function shown(name) {
  return state.annotations[name].filter(
    ({ label, confidence }) => !state.hidden.has(label) && (confidence === null || confidence >= state.threshold),
  );
}

function describe({ text, label, start, end, confidence }) {
  const sure = confidence === null ? "" : ` · confidence ${confidence.toFixed(2)}`;
  return `${text} · ${label}${sure} · characters ${start} to ${end}`;
}

function point(element, entity) {
  document.querySelectorAll("mark.same").forEach((mark) => mark.classList.remove("same"));
  if (entity) document.querySelectorAll("mark").forEach((mark) => mark.classList.toggle("same", mark.dataset.key === key(entity) && mark !== element));
  $("detail").textContent = entity ? describe(entity) : ""; // empty, it is not shown
}

function marked(entity, text, isNew) {
  const mark = make("mark", isNew ? "new" : "", text);
  mark.dataset.label = entity.label;
  mark.dataset.key = key(entity);
  mark.style.setProperty("--tone", tone(entity.label));
  mark.title = entity.confidence === null ? entity.label : `${entity.label}, confidence ${entity.confidence.toFixed(2)}`;
  mark.tabIndex = -1;
  for (const event of ["mouseenter", "focus"]) mark.addEventListener(event, () => point(mark, entity));
  for (const event of ["mouseleave", "blur"]) mark.addEventListener(event, () => point(mark, null));
  return mark;
}

function panel(pipeline, number) {
  const entities = shown(pipeline.name);
  const before = number ? state.pipelines[number - 1].name : null;
  const known = new Set(before === null ? [] : shown(before).map(key));
  const section = make("section", "pipeline", "");
  const sources = Object.entries(pipeline.trained_on);
  section.append(make("h3", "", pipeline.name));
  section.ariaLabel = pipeline.name;
  if (sources.length) {
    const about = make("details", "note", "");
    about.append(make("summary", "", `trained on ${sources.map(([name]) => name).join(", ")}`));
    for (const [name, note] of sources) about.append(make("p", "note", `${name}: ${note}`));
    section.append(about);
  }
  let summary = entities.length === 1 ? "1 entity" : `${entities.length} entities`;
  if (before !== null) {
    const added = entities.filter((entity) => !known.has(key(entity))).length;
    summary += `; ${added} added, ${known.size - (entities.length - added)} missing compared with ${before}`;
  }
  section.append(make("p", "note count", summary));
  const body = make("p", "text", "");
  body.setAttribute("role", "group");
  body.ariaLabel = `Text with the entities of ${pipeline.name}; arrow keys move between entities`;
  const units = [0]; // the server counts code points, strings here have UTF-16 units
  for (const character of state.text) units.push(units[units.length - 1] + character.length);
  let done = 0;
  for (const entity of entities) {
    const [start, end] = [units[entity.start], units[entity.end]];
    body.append(state.text.slice(done, start), marked(entity, state.text.slice(start, end), before !== null && !known.has(key(entity))));
    done = end;
  }
  body.append(state.text.slice(done));
  const marks = [...body.querySelectorAll("mark")];
  if (marks.length) marks[0].tabIndex = 0; // one stop for the Tab key; arrows do the rest
  body.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = step && marks[marks.indexOf(document.activeElement) + step];
    if (step) event.preventDefault();
    if (!next) return;
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  section.append(body);
  return section;
}

function draw() {
  $("panels").replaceChildren(...state.pipelines.map(panel));
  $("detail").textContent = "";
  $("result").hidden = false;
}

function complain(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is medner serve still running?");
  }
  const content = await answer.json().catch(() => ({ detail: `the server answers ${answer.status}` }));
  if (!answer.ok) throw new Error(`Not annotated: ${content.detail}.`);
  return content;
}

async function annotate() {
  const text = $("text").value;
  state.request?.abort();
  const request = (state.request = new AbortController());
  complain("");
  if (!text.trim()) {
    $("result").hidden = true;
    complain("Paste a text, or choose an example.");
    return;
  }
  $("form").ariaBusy = "true";
  $("hint").textContent = "annotating …";
  try {
    const start = performance.now();
    const body = JSON.stringify({ text });
    const headers = { "Content-Type": "application/json" };
    const { annotations } = await ask("annotate", { method: "POST", headers, body, signal: request.signal });
    state.text = text;
    state.annotations = Object.fromEntries(Object.entries(annotations).map(([name, [entities]]) => [name, entities]));
    draw();
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    $("hint").textContent = `${count([...text].length, "character")} in ${seconds} s with ${count(state.pipelines.length, "pipeline")}`;
  } catch (error) {
    if (error.name === "AbortError") return; // a later request took its place
    $("hint").textContent = "";
    $("result").hidden = true; // what is shown must belong to the text
    complain(error.message);
  }
  if (state.request === request) $("form").ariaBusy = "false";
}

function save() {
  const annotations = Object.fromEntries(state.pipelines.map(({ name }) => [name, shown(name)]));
  const content = { text: state.text, min_confidence: state.threshold, labels: labels().filter((label) => !state.hidden.has(label)), annotations };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  link.download = "entities.json";
  link.click();
  URL.revokeObjectURL(link.href);
}

function offerLabels() {
  for (const label of labels()) {
    const choice = make("label", "", "");
    const box = make("input", "", "");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(label);
      else state.hidden.add(label);
      draw();
    });
    choice.style.setProperty("--tone", tone(label));
    choice.append(box, label);
    $("labels").append(choice);
  }
}

function use(example) {
  $("text").value = example.dataset.text;
  $("text").lang = example.lang;
  annotate();
}

async function start() {
  try {
    state.pipelines = (await ask("health")).pipelines;
  } catch (error) {
    complain(error.message);
    return;
  }
  offerLabels();
  $("confidence").hidden = !state.pipelines.some((pipeline) => pipeline.has_confidence);
  $("compare").hidden = state.pipelines.length < 2;
  const examples = [...document.querySelectorAll(".example-text")];
  for (const example of examples) example.addEventListener("click", () => use(example));
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    annotate();
  });
  $("text").addEventListener("input", () => ($("text").lang = ""));
  $("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    annotate();
  });
  $("threshold").addEventListener("input", () => {
    state.threshold = Number($("threshold").value);
    $("chosen").textContent = state.threshold.toFixed(2);
    draw();
  });
  $("download").addEventListener("click", save);
  if ($("text").value) annotate(); // the browser kept it over a reload
  else use(examples[0]);
}

start();
